"""Readers of a trial's directory: the terminal, HTML, JSON and JUnit. None has a channel of its own."""
