"""Who wants a load to run, and until when: it is started once, and stopped by the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.errors import SeatrialError
from seatrial.core.load_plans import LoadPlan
from seatrial.core.redaction import Redactor
from seatrial.core.workloads import LoadRun, Sealed
from seatrial.engine.journal import Journal
from seatrial.engine.workloads import Workloads


class Running:
    """A load that goes on until it is stopped."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.stops = 0
        self.over = asyncio.Event()

    async def ended(self) -> None:
        await self.over.wait()

    async def stop(self) -> Sealed:
        self.stops += 1
        self.over.set()
        return Sealed(file=self.file, rows=0, sha256="", valid=True)


class Trial(Workloads):
    """Workloads whose loads are those above; `wrong` cannot be started."""

    def __init__(self, journal: Journal) -> None:
        self.made: list[Running] = []
        super().__init__(None, None, None, journal, None, "")  # type: ignore[arg-type]

    async def _start_anew(self, name: str, values: Any, scenario: str) -> None:
        if name == "wrong":
            raise SeatrialError("it cannot be started")
        await asyncio.sleep(0)
        made = Running(self._journal.directory / f"{name}.load")
        self.made.append(made)
        plan = LoadPlan(name=name, directory=Path(), timeout_ns=1, connections=1)
        from seatrial.engine.workloads import Running as Known

        run = LoadRun(number=len(self.made), scenario=scenario, digest="")
        self._begun(Known(name, None, made, None), "load", "", run, plan)  # type: ignore[arg-type]


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with Journal(tmp_path, Redactor([])) as journal:
        yield Trial(journal)


async def test_two_who_start_it_at_once_start_it_once_and_the_last_one_stops_it(trial: Trial) -> None:
    both = await asyncio.gather(trial.start(["shop"], {}, "s"), trial.start(["shop"], {}, "s"))
    assert len(trial.made) == 1
    await trial.stop(both[0])
    assert "shop" in trial.running
    await trial.stop(both[1])
    assert (trial.running, trial.made[0].stops) == ({}, 1)


async def test_where_one_cannot_be_started_the_others_are_stopped(trial: Trial) -> None:
    with pytest.raises(SeatrialError):
        await trial.start(["shop", "wrong"], {}, "s")
    assert (trial.running, trial.made[0].stops) == ({}, 1)


async def test_a_step_waits_until_nobody_else_has_it_run(trial: Trial) -> None:
    others = await trial.start(["shop"], {}, "s")
    step = asyncio.create_task(trial.start_alone("shop", {}, "s"))
    await asyncio.sleep(0)
    assert len(trial.made) == 1
    await trial.stop(others)
    await step
    assert len(trial.made) == 2
    await trial.stop(["shop"])
    assert trial.running == {}


async def test_who_gives_up_waiting_has_started_nothing(trial: Trial) -> None:
    others = await trial.start(["shop"], {}, "s")
    step = asyncio.create_task(trial.start_alone("shop", {}, "s"))
    await asyncio.sleep(0)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    assert "shop" in trial.running
    await trial.stop(others)
    assert (trial.running, len(trial.made)) == ({}, 1)
