"""Many requests in one run: does the generator's memory stay where it is?

    python benchmarks/load_memory.py [--requests 10000000] [--users 64]

A closed loop against nginx until so many requests were answered. Prints the peak of the resident set; exit status 1 above 200 MB.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from load_tools import Running, arguments, configuration, nginx

BOUND = 200e6


def main() -> int:
    """Command line."""
    given = arguments(__doc__, requests=10_000_000, users=64)
    with nginx() as server, tempfile.TemporaryDirectory() as name:
        file = Path(name) / "x.load"
        run = Running(configuration(server.url, file, users=given.users, for_ns=None))
        assert run.process.stdin is not None
        while (said := run.event()).get("ok", 0) < given.requests:
            pass
        run.process.stdin.write(json.dumps({"order": "stop"}) + "\n")
        run.process.stdin.flush()
        said = run.result()
        size = file.stat().st_size
    print(
        f"{said['ok']:,} requests, {said['failed']} failed, in {said['took_s']:.0f} s: peak {said['memory_bytes'] / 1e6:.1f} MB "
        f"(bound {BOUND / 1e6:.0f} MB), samples {size / 1e6:.1f} MB"
    )
    return 0 if said["memory_bytes"] < BOUND and not said["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
