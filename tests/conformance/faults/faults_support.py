"""What the tests of faults share: a stack around them, faults as the engine makes them, what may be done on this machine, and a liar."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core import cgroups, procfs
from seatrial.core.faults import Fault, FaultOrder, Testimony
from seatrial.core.plan import FaultStep
from seatrial.core.processes import ProcessId
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Instance, StackPlan
from seatrial.core.vocabulary import load
from seatrial.engine.probing import Prober
from seatrial.faults import FAULTS
from seatrial.keeper import KeeperClient
from seatrial.platforms import inspection
from seatrial.platforms.compose.platform import ComposePlatform
from seatrial.platforms.local import LocalPlatform


@asynccontextmanager
async def brought_up(stack: StackPlan, directory: Path) -> AsyncIterator[tuple[Any, KeeperClient]]:
    """A stack on its platform, and the keeper; nothing of it is left afterwards."""
    keeper = await KeeperClient.launch(directory)
    redactor = Redactor()
    prober = Prober(vocabulary(), {}.__getitem__, redactor)
    make = ComposePlatform if stack.compose is not None else LocalPlatform
    platform = make(
        stack, directory=directory, supervisor=keeper, prober=prober, kinds=vocabulary().kinds, secrets={}.__getitem__,
        on_secret=redactor.add, owner=keeper.keeper,
    )  # fmt: skip
    prober.platform = platform
    try:
        await platform.up(lambda _: None)
        yield platform, keeper
    finally:
        try:
            assert not await platform.down()
        finally:
            await keeper.close()


def made(step: FaultStep, **arguments: object) -> Fault:
    """A fault as the engine makes it."""
    kind = FAULTS[step.fault].hitting(link=step.at.on_link)
    assert kind is not None
    fault: Fault = load(kind.make)(FaultOrder(hold_ns=None, arguments={**step.arguments, **arguments}))
    return fault


async def acted(
    fault: Fault, platform: Any, victim: Instance, *, is_: bool = True, within_s: float, pause_s: float = 0.02
) -> Testimony:
    """The testimony, once it is so."""
    deadline = time.monotonic() + within_s
    while (seen := await fault.witness(platform, victim)).acted is not is_:
        assert time.monotonic() < deadline, seen.detail
        await asyncio.sleep(pause_s)
    return seen


def may_group() -> bool:
    """Whether control groups may be made here."""
    group = cgroups.group_of(os.getpid(), "memory")
    return group is not None and cgroups.acts(group) and os.geteuid() == 0 and os.access(group.path, os.W_OK)


def may_mount() -> bool:
    """Whether a file system may be mounted."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "x", directory], capture_output=True, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", directory], check=True)
        return done.returncode == 0


LIBRARY = os.environ.get("SEATRIAL_LIBFAKETIME") or next(
    map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), ""
)
grouping = pytest.mark.skipif(not may_group(), reason="control groups may not be made here")
mounting = pytest.mark.skipif(not may_mount(), reason="nothing may be mounted here")
faking = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not here (SEATRIAL_LIBFAKETIME says where it is)")


def groups_of_ours(keeper: ProcessId) -> list[Path]:
    """Beneath the groups that this process is in, and those that they lie in; without those of other trials."""
    groups = [cgroups.group_of(os.getpid(), c) for c in ("cpu", "memory", "pids")]
    found = [p for g in groups if g is not None for each in g.upwards() for p in each.path.glob("seatrial-web-*")]
    mine = {process.pid for process in procfs.descendants([keeper])}
    leaders = {path: int(path.name.split("-")[3]) for path in found}
    return [p for p, leader in leaders.items() if leader in mine or procfs.identify(leader) is None]


def open_files(process: ProcessId | None) -> str:
    assert process is not None
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    return next(line.split()[3] for line in lines if line.startswith("Max open files"))


class Liar:
    """A platform that does as it is told in words alone."""

    name = "liar"

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform
        self.capabilities = platform.capabilities
        self.look, self.leader, self.execute = platform.look, platform.leader, platform.execute
        self.survey = platform.survey
        self._shown: ProcessId | None = None

    async def constrain(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        self._shown = inspection.process_of(instance.identity or "")
        return 1

    async def relax(self, instance: Instance, number: int) -> None: ...

    def presser(self, number: int) -> ProcessId | None:
        return self._shown  # who takes neither time nor memory: the victim itself

    async def kill(self, instance: Instance, hold_ns: int | None) -> None: ...
