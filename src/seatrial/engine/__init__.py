"""The engine: runs a Plan on a platform, writes the journal, judges."""
