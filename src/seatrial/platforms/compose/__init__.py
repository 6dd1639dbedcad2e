"""Stacks of Docker Compose: the CLI brings them up and down, the Engine API does the rest. See docs/design/006-compose.md."""
