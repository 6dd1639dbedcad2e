"""The command line. Only what a command needs is imported, when it runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point: exit status 0 GO, 1 NO-GO, 2 INCONCLUSIVE, 3 wrong spec or usage, 4 seatrial's own fault."""
    from .app import run

    sys.exit(run(sys.argv[1:]))
