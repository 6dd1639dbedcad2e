"""An open loop: is every request that is due served, and how late is it sent?

    python benchmarks/load_open.py [--seconds 5]

500, 2,000, 5,000 and 10,000 requests a second from one generator process on a core, nginx on the other. Prints served/scheduled, the
scheduling lag (the time between when a request was due and when it was handed to a connection) and the response times. Exit status 1
when less than 0.999 of what was due was served.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from load_tools import SECOND, arguments, configuration, generator, nginx

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import percentiles

RATES = (500, 2000, 5000, 10000)
BOUND = 0.999


def whole(file: Path, kind: int) -> list[float]:
    """p50, p99 and the largest of the whole run, ms."""
    _, rows = samples.read(file)
    chosen = rows[(rows["kind"] == kind) & (rows["slot"] == samples.WHOLE)]
    return [v / 1e6 for v in percentiles(chosen["bucket"].astype("int64"), chosen["count"], [50, 99, 100])]


def main() -> int:
    """Command line."""
    seconds = arguments(__doc__, seconds=5).seconds
    held = True
    with nginx() as server, tempfile.TemporaryDirectory() as name:
        for rate in RATES:
            file = Path(name) / f"{rate}.load"
            said = generator(configuration(server.url, file, schedule={"constant": rate}, for_ns=seconds * SECOND))
            scheduled = rate * seconds
            share = said["ok"] / scheduled
            held &= share >= BOUND and said["due"] == said["ok"] + said["failed"]
            lag, response = whole(file, samples.LAG), whole(file, samples.RESPONSE)
            print(
                f"{rate:>6,}/s: served {said['ok']:,} of {scheduled:,} ({share:.4f}, bound {BOUND}), {said['failed']} failed; "
                f"lag p50 {lag[0]:.2f} p99 {lag[1]:.2f} max {lag[2]:.2f} ms; "
                f"response p50 {response[0]:.2f} p99 {response[1]:.2f} max {response[2]:.2f} ms; "
                f"{said['cpu_s'] / said['took_s']:.0%} of a core",
                flush=True,
            )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
