"""When each operation is due, and the record of what became of it. Used by workloads, and by the load generator."""
