"""A closed loop, requests per CPU-second of the generator: against wrk and Locust, nginx with one worker on the other core.

    python benchmarks/load_closed.py [--pairs 15] [--seconds 2] [--locust-seconds 4] [--tls-pairs 5]

64 connections, one core each side, answers of 200 bytes. In each pair the generators run one after the other, in alternating order:
wrk with one thread, a plain request, a Python script that checks status and body, Locust's FastHttpUser. CPU is user and system time;
that of the start is left out for both programs in Python. Prints each pair's ratios, then medians with the order statistics that
enclose the true median in 95 % of samples. Exit status 1 when a median is below its bound; TLS is measured and has none.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from load_tools import SECOND, arguments, configuration, generator, interval, locust, nginx, per_cpu_second, wrk

USERS = 64
BOUNDS = {"plain / wrk": 0.9, "script / wrk": 0.7, "plain / Locust": 10.0}
SCRIPT = """
from seatrial.load.scripts import Request
HOME = Request("GET", "/")
def user():
    answer = yield HOME
    assert answer.status == 200
    assert answer.body == b"x" * 200
"""


def main() -> int:
    """Command line."""
    given = arguments(__doc__, pairs=15, seconds=2, locust_seconds=4, tls_pairs=5)
    ratios: dict[str, list[float]] = {name: [] for name in (*BOUNDS, "TLS: plain / wrk")}
    with nginx(tls=True) as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "users.py").write_text(SCRIPT)

        def ours(url: str = server.url, **more: object) -> float:
            config = configuration(url, directory / "x.load", users=USERS, for_ns=given.seconds * SECOND, **more)
            return per_cpu_second(generator(config))

        runs: dict[str, Callable[[], float]] = {
            "wrk": lambda: wrk(server.url, given.seconds),
            "plain": ours,
            "script": lambda: ours(script="users.py:user", requests=[]),
            "Locust": lambda: locust(server.url, given.locust_seconds, directory),
        }
        for each in ("wrk", "plain", "Locust"):  # once before it counts: bytecode, caches
            runs[each]()
        for number in range(given.pairs):
            order = list(runs) if number % 2 else list(runs)[::-1]
            found = {each: runs[each]() for each in order}
            said = []
            for ratio in BOUNDS:
                a, _, b = ratio.partition(" / ")
                ratios[ratio].append(found[a] / found[b])
                said.append(f"{ratio} {ratios[ratio][-1]:.2f}")
            print(f"pair {number + 1:>2}: wrk {found['wrk']:,.0f} per CPU-second, {', '.join(said)}", flush=True)
        for number in range(given.tls_pairs):
            theirs = wrk(server.tls_url, given.seconds)
            ratios["TLS: plain / wrk"].append(ours(server.tls_url) / theirs)
            print(f"TLS pair {number + 1}: wrk {theirs:,.0f}, ratio {ratios['TLS: plain / wrk'][-1]:.2f}", flush=True)
    held = True
    for ratio, values in ratios.items():
        if not values:
            continue
        median, low, high = interval(values)
        bound = BOUNDS.get(ratio)
        held &= bound is None or median >= bound
        words = f"bound: at least {bound}" if bound is not None else "no bound"
        print(f"{ratio}: median of {len(values)} pairs {median:.2f} ({low:.2f} to {high:.2f}); {words}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
