"""Parts of the marketplace that are wrong in one way each."""
