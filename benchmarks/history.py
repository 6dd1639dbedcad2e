"""A history of ten thousand trials: `seatrial history` and its trends answer in less than 200 ms, the interpreter's start included.

python benchmarks/history.py [--trials 10000] [--keep DIRECTORY]

The trials are put in by the importer's own insert: 25 scenarios and 66 findings each (those of examples/jewelry-shop), as 40 versions of a
shop, of which one was flaky. Half of them have their directories still. Shown are the queries alone, in this process, and whole commands,
each in a process of its own; the bound holds for the commands.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from seatrial.history import queries
from seatrial.history.database import open_database
from seatrial.history.records import FindingRow, TrialRow
from seatrial.history.remembering import remember

BOUND_MS = 200
SCENARIOS, FINDINGS = 25, 66
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def trials(count: int, root: Path) -> Iterator[TrialRow]:
    """Two specs; a recovery time that drifts; a finding that fails now and then in one version."""
    chance = random.Random(6)
    for number in range(count):
        version = number * 40 // count
        at = BEGAN + timedelta(minutes=20 * number)
        name = f"{at:%Y-%m-%dT%H-%M-%S}-shop-{number:04x}"
        spec = f"/srv/shop{number % 2}/seatrial.yaml"
        findings = tuple(finding(n, version, chance) for n in range(FINDINGS))
        verdicts = [f.verdict for f in findings]
        outcome = "NO-GO" if "FAIL" in verdicts else "GO"
        yield TrialRow(
            trial=name,
            name="shop",
            spec=spec,
            digest=f"{version:064x}",
            tested=f"{version:064x}",
            seatrial="0.1.0",
            platform="local",
            began=at.isoformat(timespec="milliseconds"),
            took_ns=90_000_000_000 + chance.randrange(10**10),
            outcome=outcome,
            summary=f"{outcome} for 30 of 43 lines",
            reason="",
            selection="",
            variant="",
            directory=str(root / "trials" / name),
            planned=FINDINGS,
            passed=verdicts.count("PASS"),
            failed=verdicts.count("FAIL"),
            findings=findings,
            scenarios=tuple((f"scenario-{s}", "PASS", chance.randrange(10**9, 10**10)) for s in range(SCENARIOS)),
        )


def finding(number: int, version: int, chance: random.Random) -> FindingRow:
    """A third of them measure something."""
    scenario = f"scenario-{number % SCENARIOS}"
    bad = number == 7 and version % 10 == 3 and chance.random() < 0.2
    value = 8 + version / 10 + chance.random()
    return FindingRow(
        id=f"{scenario}/finding-{number}",
        scenario=scenario,
        verdict="FAIL" if bad else "PASS",
        severity="blocking",
        measured=f"sales.recovery = {value:.3g}s to {value + 0.05:.3g}s"
        if number % 3 == 0
        else "status = 200, took = 12.3ms",
        bound="< 30s" if number % 3 == 0 else "== 200",
        reason="status is 502; wanted == 200, last seen at +31.2 s at proxy#1" if bad else "",
        low=value * 1e9 if number % 3 == 0 else None,
        high=(value + 0.05) * 1e9 if number % 3 == 0 else None,
        dimension="duration" if number % 3 == 0 else "",
        took_ns=chance.randrange(10**10),
    )


def timed(work: Callable[[], object], times: int) -> float:
    """Median, in ms."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make it here, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return measure(given.keep or Path(temporary), given.trials)


def measure(root: Path, count: int) -> int:
    """Make it, and ask it."""
    began = time.perf_counter()
    database = open_database(root / "history.db")
    if not queries.counted(database)[0]:
        remember(database, trials(count, root))
        for row in trials(count, root):
            if int(row.trial.rpartition("-")[2], 16) % 2:
                Path(row.directory).mkdir(parents=True)
    size = (root / "history.db").stat().st_size
    print(
        f"{count:,} trials of {FINDINGS} findings: {size / 2**20:.0f} MiB, made in {time.perf_counter() - began:.0f} s"
    )
    spec = "/srv/shop1/seatrial.yaml"
    asked: dict[str, Callable[[], object]] = {
        "the last 20 trials": lambda: queries.last_trials(database, 20),
        "trend of 60 points": lambda: queries.trend(database, "scenario-0/finding-0", spec, 60),
        "trend of all points": lambda: queries.trend(database, "scenario-0/finding-0", spec, count),
        "counts of a finding": lambda: queries.counts(database, "scenario-0/finding-0", spec),
        "what is flaky": lambda: queries.flaky(database, spec),
        "what is slow": lambda: queries.slowest(database, spec),
        "last verdicts": lambda: queries.last_verdicts(database, spec),
    }
    held = True
    for name, work in asked.items():
        took = timed(work, 9)
        held = held and took < BOUND_MS
        print(f"  query    {name:<44} {took:7.1f} ms")
    bare = timed(lambda: run(sys.executable, "-c", "pass"), 9)
    print(f"  command  an interpreter that does nothing                {bare:7.1f} ms")
    for arguments in (
        [],
        ["--json"],
        ["--last", "200"],
        ["--finding", "scenario-0/finding-0"],
        ["--finding", "scenario-0/finding-0", "--last", "1000"],
    ):
        processor_time()
        took = timed(partial(run, sys.executable, "-m", "seatrial", "history", "--directory", str(root), *arguments), 9)
        held = held and took < BOUND_MS
        mark = "✔" if took < BOUND_MS else "✘"
        cpu = processor_time() / 9
        title = f"seatrial history {' '.join(arguments)}"
        print(f"{mark} command  {title:<44} {took:7.1f} ms (bound {BOUND_MS} ms), {cpu:.0f} ms of a processor")
    return 0 if held else 1


_used = [0.0]


def processor_time() -> float:
    """What child processes have used since the last call, in ms: on a busy machine it says more than the clock."""
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    before, _used[0] = _used[0], (now.ru_utime + now.ru_stime) * 1000
    return _used[0] - before


def run(*argv: str) -> None:
    """A process, to its end."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
