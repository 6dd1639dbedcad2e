"""Where rows come from: one kind of store a file, its client library imported there."""
