"""Two PostgreSQL tables of 5 narrow columns held against each other, by seatrial and by reladiff in the same run; and one against a file.

Needs no server: PostgreSQL is the embedded one. reladiff is installed in an environment of its own on first use. Each comparison is a
process of its own, timed from its first connection to its result, for both alike: that is held to the bound. What the whole process took,
the interpreter's start and all imports included, is shown beside it. Memory is the peak of the whole process.

python benchmarks/compare_stores.py [--rows 1000000] [--pairs 7] [--differences 100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet
from peers import python_with

from seatrial.api.python import stack

FASTER, MEMORY = 5.0, 200_000_000
PARAMETERS = {"fsync": "off", "shared_buffers": "512MB", "max_wal_size": "4GB"}
FILL = """insert into {table} select i, (i * 7919 % 1003)::int, (i % 1000000) / 100.0, (array['new', 'paid', 'sent', 'closed'])[1 + i % 4],
timestamp '2024-01-01' + i * interval '1.000001 s' from generate_series(1::bigint, {rows}) i"""
OURS = """
import json, sys, time
import pyarrow.compute
from seatrial.compare.layout import Options
from seatrial.compare.running import Task, run
from seatrial.compare.tables import Stop
from seatrial.core.stores import read_store
import seatrial.compare.opening, seatrial.compare.sources.postgres, seatrial.compare.sources.files
a, b = sys.argv[1:3]
began = time.perf_counter()
found = run(Task(stores=(read_store(a), read_store(b)), options=Options(keys=("id",))), Stop())
took = time.perf_counter() - began
(peak,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))  # its own, not what it was forked from
print(json.dumps({"s": took, "different": found.differing, "memory": peak * 1024}))
"""
RELADIFF = """
import json, sys, time
import reladiff, psycopg2
url, a, b = sys.argv[1:4]
columns = ("customer", "amount", "status", "updated_at")
began = time.perf_counter()
tables = [reladiff.connect_to_table(url, t, "id", extra_columns=columns) for t in (a, b)]
rows = list(reladiff.diff_tables(*tables))
took = time.perf_counter() - began
print(json.dumps({"s": took, "different": len({r[1][0] for r in rows})}))
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A comparison: seconds, those of the whole process, what it found, bytes at its peak."""

    seconds: float
    whole: float
    different: int
    memory: int


def ran(python: Path | str, script: str, *arguments: str) -> Ran:
    """A script in a process of its own."""
    began = time.perf_counter()
    said = subprocess.run([python, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout
    whole = time.perf_counter() - began
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return Ran(seconds=found["s"], whole=whole, different=found["different"], memory=found.get("memory", 0))


def prepare(url: str, rows: int, differences: int, directory: Path) -> Path:
    """Tables one, same (equal to it) and other (with that many differences); and one as a Parquet file."""
    every = max(1, rows // max(1, differences))
    with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for table in ("one", "same", "other"):
            cursor.execute(
                f"create table {table} (id bigint primary key, customer int, amount numeric(12, 2), status text, updated_at timestamp)"
            )
            cursor.execute(FILL.format(table=table, rows=rows))
        cursor.execute(
            f"update other set amount = amount + 0.01 where id % {every} = {every // 2} and id <= {every * differences}"
        )
        for table in ("one", "same", "other"):
            cursor.execute(f"vacuum (freeze, analyze) {table}")
        cursor.execute("select id, customer, amount::float8 as amount, status, updated_at from one")
        file = directory / "one.parquet"
        reader = cursor.fetch_record_batch()
        with pyarrow.parquet.ParquetWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    return file


def pairs(times: int, ours: Callable[[], Ran], theirs: Callable[[], Ran]) -> tuple[list[Ran], list[Ran]]:
    """Both in turn, the order changed each time."""
    found: tuple[list[Ran], list[Ran]] = ([], [])
    for number in range(times):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            found[which].append((ours, theirs)[which]())
    return found


def measure(url: str, file: Path, rows: int, differences: int, times: int) -> bool:
    """Run all; print, and whether the bounds hold."""
    python = python_with("reladiff", "reladiff", "psycopg2-binary")
    held = []
    for other, count in (("same", 0), ("other", differences)):
        ours, theirs = pairs(
            times,
            partial(ran, sys.executable, OURS, f"{url}#table=one", f"{url}#table={other}"),
            partial(ran, python, RELADIFF, url, "one", other),
        )
        ratio = _median(theirs) / _median(ours)
        whole = [statistics.median(r.whole for r in side) for side in (ours, theirs)]
        exact = all(r.different == count for r in ours)
        memory = max(r.memory for r in ours)
        held.append(ratio >= FASTER and exact and memory <= MEMORY)
        print(
            f"{_mark(held[-1])} {rows:,} rows, {count} differences: {_median(ours):.2f} s, reladiff {_median(theirs):.2f} s: {ratio:.1f} x "
            f"(bound {FASTER:g}; whole processes {whole[0]:.2f} and {whole[1]:.2f} s); "
            f"found {ours[0].different} (reladiff {theirs[0].different}); {memory / 1e6:.0f} MB (bound {MEMORY / 1e6:.0f} MB)",
            flush=True,
        )
    for other, count in (("one", 0), ("other", differences)):
        found = ran(sys.executable, OURS, f"{url}#table={other}", str(file))
        held.append(found.different == count and found.memory <= MEMORY)
        print(
            f"{_mark(held[-1])} PostgreSQL against Parquet, {rows:,} rows, {count} differences: {found.seconds:.2f} s, "
            f"{rows / found.seconds:,.0f} rows/s, {found.memory / 1e6:.0f} MB (bound {MEMORY / 1e6:.0f} MB); found {found.different}",
            flush=True,
        )
    return all(held)


def _median(found: Sequence[Ran]) -> float:
    return statistics.median(r.seconds for r in found)


def _mark(held: bool) -> str:
    return "✔" if held else "✘"


async def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=7, help="how often both are run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-compare-") as name:
        directory = Path(name)
        services = {"postgres": {"kind": "postgres", "parameters": PARAMETERS}}
        async with stack(services, directory=directory / "trial") as running:
            known = running.exports("postgres")
            url = (
                f"postgresql://{known['user']}:{known['password']}@{known['host']}:{known['port']}/{known['database']}"
            )
            file = await asyncio.to_thread(prepare, url, given.rows, given.differences, directory)
            return 0 if await asyncio.to_thread(measure, url, file, given.rows, given.differences, given.pairs) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
