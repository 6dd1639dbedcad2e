"""Load: requests over time from an open or closed model, measured from when each was due."""
