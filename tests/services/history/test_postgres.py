"""The history in a real PostgreSQL: the same rows and the same answers as in SQLite, also when several write at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.errors import SeatrialError
from seatrial.history import queries
from seatrial.history.database import Database, open_database
from seatrial.history.remembering import remember

sys.path.insert(0, str(Path(__file__).parents[2] / "unit/history"))
from history_support import SPEC, finding, trial

ROWS = [
    trial(
        n,
        findings=(
            finding(
                "FAIL" if n == 7 else "PASS", reason="502 % of '?'" if n == 7 else "", low=n * 1e9, high=n * 1e9 + 1
            ),
        ),
    )
    for n in range(12)
]
ASKED: list[Callable[[Database], object]] = [
    lambda d: queries.last_trials(d, 5),
    lambda d: queries.trend(d, "s/back", SPEC, 5),
    lambda d: queries.counts(d, "s/back", SPEC),
    lambda d: queries.flaky(d, SPEC),
    lambda d: queries.slowest(d, SPEC),
    lambda d: queries.regressions(d, "t011", "t001"),
    lambda d: queries.baseline(d, SPEC, ROWS[-1].began),
    lambda d: queries.last_verdicts(d, SPEC),
    lambda d: queries.last_findings(d, SPEC),
    lambda d: queries.last_go(d, SPEC),
    lambda d: queries.findings_like(d, "s/"),
    lambda d: queries.counted(d),
    lambda d: (queries.accept(d, "t001", "Ada", "now"), queries.baseline(d, SPEC, "")),
]


@pytest.mark.stack
async def test_the_same_as_in_sqlite(stack: Callable[..., Any], tmp_path: Path) -> None:
    async with stack({"postgres": {"kind": "postgres", "database": "memory"}}) as shop:
        known = shop.exports("postgres")
        url = f"postgresql://{known['user']}:{known['password']}@{known['host']}:{known['port']}/memory"

        def put(part: int) -> int:
            database = open_database(url)  # each makes the tables, if they are not there yet
            try:
                return sum(remember(database, [row]) for row in ROWS[part:] + ROWS[:part])
            finally:
                database.close()

        put_in = await asyncio.gather(*(asyncio.to_thread(put, 3 * n) for n in range(4)))
        assert sum(put_in) == len(ROWS)

        def ask() -> None:
            with (
                contextlib.closing(open_database(url)) as server,
                contextlib.closing(open_database(tmp_path / "h.db")) as file,
            ):
                remember(file, ROWS)
                for question in ASKED:
                    assert question(server) == question(file)

        await asyncio.to_thread(ask)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(SeatrialError, match="cannot be reached"):
        open_database("postgresql://nobody@127.0.0.1:1/nothing")
