"""A marketplace whose listings are being carved out of a monolith."""
