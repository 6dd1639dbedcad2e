"""The command line. Only what a command needs is imported, when it runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point: exit status 0 GO, 1 NO-GO, 2 INCONCLUSIVE, 3 wrong spec or usage, 4 seatrial's own fault."""
    import gc

    if sys.argv[1:2] == ["history"]:
        from .quickly import history

        if history(sys.argv[2:]):
            sys.exit(0)
    from .app import run

    gc.set_threshold(
        20_000, 20, 100
    )  # a command makes many records that live to its end: looking at them again finds nothing
    sys.exit(run(sys.argv[1:]))
