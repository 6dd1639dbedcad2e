"""The monolith: everything of the marketplace, over HTTP."""
