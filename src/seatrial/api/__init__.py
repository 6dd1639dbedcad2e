"""Composition: what the commands, the fixtures and programs call."""
