"""Clients of a load or a workload that are more than bytes on a socket: one protocol, a variant a file, its library imported there."""
