"""What became of every trial: rows in SQLite, or PostgreSQL, that outlive the trials' directories."""
