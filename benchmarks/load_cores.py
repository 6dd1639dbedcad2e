"""Several generator processes: what a split costs, and how long it takes to merge what they recorded.

    python benchmarks/load_cores.py [--pairs 15] [--seconds 2]

A closed loop of 64 users from one process and from two with 32 each, which agree on a start; all generators on one core, nginx on the
other: requests per CPU-second, medians over pairs. Then 64 recorders with 60 s at 2,000/s in all: their files into percentiles of the
whole run and of each 100 ms. Exit status 1 when two processes have less than 0.95 of one, or merging takes more than 50 ms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from load_tools import SECOND, Running, Server, arguments, configuration, generator, interval, nginx, per_cpu_second

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import percentiles, percentiles_by
from seatrial.load.recording import Recorder

SPLIT_BOUND, MERGE_BOUND_MS = 0.95, 50.0
USERS, RATE, WORKERS, RUN_S = 64, 2000, 64, 60
PERCENTS = (50, 90, 95, 99, 99.9)
FOLD_NS = 100_000_000


def two(server: Server, directory: Path, seconds: int) -> float:
    """Requests per CPU-second of two processes."""
    start = time.monotonic_ns() + 2 * SECOND
    more = {"users": USERS // 2, "for_ns": seconds * SECOND, "start_ns": start}
    runs = [
        Running(configuration(server.url, directory / f"{share}.load", share=[share, 2], **more)) for share in (0, 1)
    ]
    said = [run.result() for run in runs]
    return sum(s["ok"] for s in said) / sum(s["cpu_s"] for s in said) if all(map(per_cpu_second, said)) else 0.0


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
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with nginx() as server:
            for number in range(given.pairs):
                config = configuration(server.url, directory / "x.load", users=USERS, for_ns=given.seconds * SECOND)
                if number % 2:
                    pair = two(server, directory, given.seconds)
                    single = per_cpu_second(generator(config))
                else:
                    single = per_cpu_second(generator(config))
                    pair = two(server, directory, given.seconds)
                ratios.append(pair / single)
                print(
                    f"pair {number + 1}: one {single:,.0f}, two {pair:,.0f} per CPU-second, {ratios[-1]:.2f}",
                    flush=True,
                )
        files = record(directory)
        merge(files)  # once before the clock: the pages are in memory, as they are after a run
        took = []
        for _ in range(5):
            began = time.perf_counter()
            whole, series, rows = merge(files)
            took.append((time.perf_counter() - began) * 1e3)
    median, low, high = interval(ratios)
    merged, _, _ = interval(took)
    print(f"two processes / one: median of {len(ratios)} {median:.2f} ({low:.2f} to {high:.2f}), bound {SPLIT_BOUND}")
    print(
        f"{WORKERS} workers, {rows:,} rows: p95 {whole[2] / 1e6:.2f} ms and {len(series)} slots merged in {merged:.1f} ms "
        f"(median of 5, {min(took):.1f} to {max(took):.1f}), bound {MERGE_BOUND_MS:.0f} ms"
    )
    return 0 if median >= SPLIT_BOUND and merged <= MERGE_BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())
