"""Several generator processes: what a split costs, and how long it takes to merge what they recorded.

    python benchmarks/load_cores.py [--pairs 15] [--seconds 2]

A closed loop of 64 users from one process and from two with 32 each; nginx has a core of its own. Requests per CPU-second, medians
over pairs. The bound is for both at once: on a core each where there are three, else on one core, which they take from each other at
each batch, as two threads of wrk do; those are measured beside it, and so are the two halves one after the other, without a bound.
Then 64 recorders with 60 s at 2,000/s in all: their files into percentiles of the whole run and of each
100 ms. Exit status 1 when two processes have less than 0.95 of one, or merging takes more than 50 ms.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from load_tools import (
    SECOND,
    Running,
    Server,
    arguments,
    configuration,
    generator,
    interval,
    nginx,
    per_cpu_second,
    wrk,
)

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import percentiles, percentiles_by
from seatrial.load.recording import Recorder

SPLIT_BOUND, MERGE_BOUND_MS = 0.95, 50.0
USERS, RATE, WORKERS, RUN_S = 64, 2000, 64, 60
PERCENTS = (50, 90, 95, 99, 99.9)
FOLD_NS = 100_000_000


def two(server: Server, directory: Path, seconds: int, cores: tuple[int, int], *, together: bool) -> float:
    """Requests per CPU-second of two processes on these cores, which agree on a start, or one after the other."""
    more = {"users": USERS // 2, "for_ns": seconds * SECOND}
    start = time.monotonic_ns() + 2 * SECOND if together else 0
    configs = [configuration(server.url, directory / f"{n}.load", share=[n, 2], start_ns=start, **more) for n in (0, 1)]
    if together:
        runs = [Running(config, core) for config, core in zip(configs, cores, strict=True)]
        said = [run.result() for run in runs]
    else:
        said = [generator(config, core) for config, core in zip(configs, cores, strict=True)]
    for each in said:
        per_cpu_second(each)  # raises when a request failed
    return float(sum(s["ok"] for s in said) / sum(s["cpu_s"] for s in said))


def record(directory: Path) -> list[Path]:
    """What the generators of a run leave behind, made by the recorder itself."""
    chance = np.random.default_rng(1)
    files = []
    for worker in range(WORKERS):
        file = directory / f"{worker}.part.load"
        recorder = Recorder(file, 0, pace_ns=WORKERS * SECOND / RATE)
        due = (np.arange(worker, RATE * RUN_S, WORKERS) * (SECOND / RATE)).astype(np.int64)
        sent = due + chance.exponential(50_000, len(due)).astype(np.int64)
        done = sent + chance.lognormal(14.5, 0.5, len(due)).astype(np.int64)
        for end in range(FOLD_NS, RUN_S * SECOND + 1, FOLD_NS):
            mine = slice(*np.searchsorted(due, [end - FOLD_NS, end]))
            recorder.lags.extend((sent[mine] - due[mine]).tolist())
            recorder.expected(due[mine])
            recorder.due_at.extend(due[mine].tolist())
            recorder.sent_at.extend(sent[mine].tolist())
            recorder.done_at.extend(np.sort(done[mine]).tolist())
            recorder.size += 400 * len(due[mine])
            recorder.fold(end, 1)
        recorder.close(RUN_S * SECOND)
        files.append(file)
    return files


def merge(files: list[Path]) -> tuple[list[float], np.ndarray, int]:
    """(percentiles of the whole run, percentiles of each 100 ms, rows)."""
    _, rows = samples.together(files)
    response = rows[rows["kind"] == samples.RESPONSE]
    slots, buckets = response["slot"].astype(np.int64), response["bucket"].astype(np.int64)
    whole = slots == samples.WHOLE
    counts = np.bincount(buckets[whole], weights=response["count"][whole]).astype(np.int64)
    held = np.flatnonzero(counts)
    _, series = percentiles_by(slots[~whole], buckets[~whole], response["count"][~whole], PERCENTS)
    return percentiles(held, counts[held], PERCENTS), series, len(rows)


def main() -> int:
    """Command line."""
    given = arguments(__doc__, pairs=15, seconds=2)
    enough = (os.cpu_count() or 1) >= 3
    at_once, alone = f"at once, {'a core each' if enough else 'on one core'}", "one after the other"
    ratios: dict[str, list[float]] = {at_once: [], alone: [], "wrk, two threads on one core": []}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with nginx() as server:
            config = configuration(server.url, directory / "x.load", users=USERS, for_ns=given.seconds * SECOND)
            runs: dict[str, Callable[[], float]] = {
                "one": lambda: per_cpu_second(generator(config)),
                at_once: lambda: two(server, directory, given.seconds, (1, 2 if enough else 1), together=True),
                alone: lambda: two(server, directory, given.seconds, (1, 1), together=False),
                "wrk": lambda: wrk(server.url, given.seconds),
                "wrk, two threads on one core": lambda: wrk(server.url, given.seconds, threads=2),
            }
            for number in range(given.pairs):
                found = {title: runs[title]() for title in (list(runs) if number % 2 else list(runs)[::-1])}
                for title, values in ratios.items():
                    values.append(found[title] / found["wrk" if title.startswith("wrk") else "one"])
                said = ", ".join(f"{title} {values[-1]:.2f}" for title, values in ratios.items())
                print(f"pair {number + 1:>2}: one {found['one']:,.0f} per CPU-second; {said}", flush=True)
        files = record(directory)
        merge(files)  # once before the clock: the pages are in memory, as they are after a run
        took = []
        for _ in range(5):
            began = time.perf_counter()
            whole, series, rows = merge(files)
            took.append((time.perf_counter() - began) * 1e3)
    for title, values in ratios.items():
        median, low, high = interval(values)
        bound = f"bound: at least {SPLIT_BOUND}" if title == at_once else "no bound"
        print(f"two / one, {title}: median of {len(values)} pairs {median:.2f} ({low:.2f} to {high:.2f}); {bound}")
    merged, _, _ = interval(took)
    median, _, _ = interval(ratios[at_once])
    print(
        f"{WORKERS} workers, {rows:,} rows: p95 {whole[2] / 1e6:.2f} ms and {len(series)} slots merged in {merged:.1f} ms "
        f"(median of 5, {min(took):.1f} to {max(took):.1f}), bound {MERGE_BOUND_MS:.0f} ms"
    )
    return 0 if median >= SPLIT_BOUND and merged <= MERGE_BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())
