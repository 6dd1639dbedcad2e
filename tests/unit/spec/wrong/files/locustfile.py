"""There for its name."""
