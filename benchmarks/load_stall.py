"""A server that stands still for a second: does the load show it, and for how long does it say that nobody was answered?

    python benchmarks/load_stall.py [--times 5] [--rate 1000]

An open loop of 5 s against nginx, whose worker is stopped and continued with SIGSTOP and SIGCONT by this script alone, which times its
own signals. A fifth of the arrivals waits, between 0 and 1 s: the 95th percentile of all is 0.75 times the stop. A closed loop would
see a handful of slow requests. Exit status 1 when p95 is more than 3 % off, or the longest silence more than its stated resolution
(1/rate and the largest lag around it), once.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from load_tools import SECOND, Running, arguments, configuration, nginx

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import percentiles

RUN_S, STOP_S, AFTER_S = 5, 1.0, 2.0
P95_BOUND = 0.03


def stop_for(pid: int, begin_ns: int) -> tuple[int, int]:
    """Stop a process for a second from a moment on; (least, most) ns that it was stopped, as the signals' own times allow. Both times that
    are slept are what is measured: when it stops, and for how long.
    """
    time.sleep(max(0.0, (begin_ns - time.monotonic_ns()) / SECOND))
    before_stop = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    after_stop = time.monotonic_ns()
    time.sleep(max(0.0, STOP_S - (after_stop - begin_ns) / SECOND))
    before_go = time.monotonic_ns()
    os.kill(pid, signal.SIGCONT)
    return before_go - after_stop, time.monotonic_ns() - before_stop


def silence(rows: samples.Rows, rate: float) -> tuple[float, float]:
    """The longest silence and its resolution, ns."""
    begins = rows[rows["kind"] == samples.GAP_FROM]["count"]
    ends = rows[rows["kind"] == samples.GAP_TO]["count"]
    longest = int((ends - begins).argmax())
    slots = rows["slot"].astype("int64")
    around = (slots >= begins[longest] // samples.SLOT_NS - 1) & (slots <= ends[longest] // samples.SLOT_NS + 1)
    lags = rows[(rows["kind"] == samples.LAG_MAX) & around]["count"]
    return float(ends[longest] - begins[longest]), SECOND / rate + float(lags.max())


def main() -> int:
    """Command line."""
    given = arguments(__doc__, times=5, rate=1000)
    good_p95 = good_silence = 0
    with nginx() as server, tempfile.TemporaryDirectory() as name:
        for number in range(given.times):
            file = Path(name) / f"{number}.load"
            config = configuration(server.url, file, schedule={"constant": given.rate}, for_ns=RUN_S * SECOND)
            run = Running({**config, "connections": 4 * given.rate})
            least, most = stop_for(server.worker, run.event()["at_ns"] + int(AFTER_S * SECOND))
            said = run.result()
            _, rows = samples.read(file)
            whole = rows[(rows["kind"] == samples.RESPONSE) & (rows["slot"] == samples.WHOLE)]
            p95 = percentiles(whole["bucket"].astype("int64"), whole["count"], [95])[0]
            # of all in the run a share of STOP_S/RUN_S waits, evenly up to STOP_S
            truth = (STOP_S - 0.05 * RUN_S) * (least + most) / 2 / STOP_S
            off = p95 / truth - 1
            seen, resolution = silence(rows, given.rate)
            inside = least - resolution <= seen <= most + resolution
            good_p95 += abs(off) <= P95_BOUND
            good_silence += inside
            print(
                f"{number + 1}: stopped {least / 1e6:.1f} to {most / 1e6:.1f} ms; p95 {p95 / 1e6:.1f} ms, truth {truth / 1e6:.1f} "
                f"({off:+.1%}); silence {seen / 1e6:.1f} +- {resolution / 1e6:.1f} ms, {'inside' if inside else 'OUTSIDE'}; "
                f"{said['ok']:,} ok, {said['failed']} failed of {said['due']:,}",
                flush=True,
            )
    print(
        f"p95 within {P95_BOUND:.0%}: {good_p95} of {given.times}; silence within its resolution: {good_silence} of {given.times}"
    )
    return 0 if good_p95 == good_silence == given.times else 1


if __name__ == "__main__":
    sys.exit(main())
