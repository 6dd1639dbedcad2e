"""Two stores held against each other, row by row: what is only in one, what differs, by how much; and whether references lead anywhere.

A source (`sources`, one a file) tells its columns and streams rows; a server that can hash rows does it itself. Everything else is
done on canonical texts (`canonical`), so that a value is the same value whatever keeps it.
"""
