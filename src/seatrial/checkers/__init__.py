"""Judging histories afterwards: outages, availability, latency, and what a model says was lost or doubled."""
