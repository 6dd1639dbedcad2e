"""Impairing networks in namespaces for a trial: the remedy first, then the deed; undone when it is mended, or by whoever is left."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from ...core import procfs
from ...core.errors import NotExercised, PlatformError, SupervisorError
from ...core.processes import CommandResult, ProcessId, Restart, Supervisor, Surroundings, UnitOrder, UnitState
from ...core.quantities import NS_PER_S
from . import orders
from .__main__ import NOT_HERE
from .entering import namespace_of
from .orders import Lead, Order

_WITHIN_NS = 30 * NS_PER_S
_SERVES_S, _LOOK_S = 10.0, 0.01
_OF_NETEM = ("uniform", "normal")
_PACKAGES = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Deed:
    """What was done: the order, the name of its remedy, and the unit that serves its queue."""

    order: Order
    remedy: str
    reader: str = ""


class Networks:
    """Of processes on this machine, each in a network namespace that is not the machine's own. One for a platform.

    `directory`: for logs. `comment` names the trial in every rule. All raise NotExercised saying which program, right or feature of the
    kernel is missing, PlatformError for what went wrong.
    """

    def __init__(self, supervisor: Supervisor, *, directory: Path, comment: str) -> None:
        self._supervisor = supervisor
        self._directory = directory
        self._comment = comment
        self._tag = f"seatrial-{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._deeds: dict[int, _Deed] = {}
        self._works: Mapping[str, str] | None = None

    async def impair(
        self, process: ProcessId, name: str, kind: str, arguments: Mapping[str, object], addresses: Sequence[str] = ()
    ) -> int:
        """Begin one in the namespace of a process (`name`: whose it is, for people); its number. See `orders.order`."""
        number = next(self._numbers)
        tag = f"{self._tag}-{number}"
        try:
            order = orders.order(
                kind,
                arguments,
                namespace=namespace_of(process.pid),
                pid=process.pid,
                tag=tag,
                comment=f"seatrial {self._comment}",
                addresses=addresses,
            )
        except ValueError as error:
            raise PlatformError(str(error)) from None
        await self._do(number, process, name, _Deed(order=order, remedy=f"{kind} in the network of {name} ({tag})"))
        return number

    async def lead(self, process: ProcessId, name: str, leads: Sequence[Lead]) -> int:
        """Lead what leaves a namespace for some addresses elsewhere; its number. It outlives whoever ordered it, as long as the trial's
        stack does: who comes later finds it there.
        """
        key = "|".join([str(self._directory), str(process), *map(str, leads)])
        tag = f"seatrial-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        comment, namespace = f"seatrial {self._comment}", namespace_of(process.pid)
        order = orders.order("lead", {}, namespace=namespace, pid=process.pid, tag=tag, comment=comment)
        order = replace(order, ways=("out",), leads=tuple(leads))
        deed, number = _Deed(order=order, remedy=f"lead in the network of {name} ({tag})"), next(self._numbers)
        if await self._found(deed):
            self._deeds[number] = deed
        else:
            await self._do(number, process, name, deed, stays=True)
        return number

    async def mend(self, number: int) -> None:
        """End one. Raises PlatformError where it had ended before: with its process, or by another hand."""
        deed = self._deeds.pop(number, None)
        if deed is None:
            raise PlatformError("it had ended before")
        why = ""
        if deed.reader:
            status = (await self._ask(self._supervisor.statuses())).get(deed.reader)
            if status is None or status.state is not UnitState.RUNNING:
                why = "the reader of its queue was ended by another hand"
        found = await self._undo(deed)
        if not found:
            why = f"there was nothing of it in the network of process {deed.order.pid} any more"
        if why:
            raise PlatformError(f"it had ended before: {why}")

    async def stands(self, number: int) -> bool:
        """Whether its rules are where they were made."""
        deed = self._deeds.get(number)
        return deed is not None and await self._found(deed)

    async def forget(self, numbers: Iterable[int]) -> None:
        """What these did has gone with their namespaces, or will: nothing has to be undone."""
        for number in numbers:
            deed = self._deeds.pop(number, None)
            if deed is not None:
                await self._ask(self._supervisor.settle(deed.remedy, run=False))

    async def works(self) -> Mapping[str, str]:
        """What can be done on this machine: by kind, why not; empty where it can. Tried once."""
        if self._works is None:
            self._works = json.loads(self._read(await self._hand("try")))
        return self._works

    # -- inside

    async def _do(self, number: int, process: ProcessId, name: str, deed: _Deed, *, stays: bool = False) -> None:
        if not procfs.is_alive(process):
            raise PlatformError(f"{name} is down: process {process.pid} has gone")
        namespace = deed.order.namespace
        if namespace == namespace_of(os.getpid()):
            raise NotExercised(f"{name} shares the network of this machine: faults at links need no network of its own")
        # No guard: others may be in that namespace, and what was done there outlives the process then.
        undoing = self._argv("remove", str(namespace), deed.order.tag)
        await self._ask(self._supervisor.remedy(deed.remedy, [undoing], stays=stays))
        try:
            if deed.order.kind == "latency":
                deed = await self._choose(deed)
            if deed.reader:
                await self._serve(deed, stays=stays)
            self._read(await self._hand("apply", deed.order.text()))
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._give_up(deed)))
            raise
        self._deeds[number] = deed

    async def _found(self, deed: _Deed) -> bool:
        """Whether rules of it are where they were made."""
        answer = self._read(await self._hand("look", str(deed.order.namespace), deed.order.tag))
        return bool(json.loads(answer)["found"])

    async def _choose(self, deed: _Deed) -> _Deed:
        """netem where the kernel has it and nothing else needs the place; else a queue, which tells flows and addresses apart."""
        order, works = deed.order, await self.works()
        choice = json.loads(self._read(await self._hand("choose", order.text())))
        plain = not order.addresses and (order.distribution in _OF_NETEM or not order.jitter_ns)
        if plain and choice["netem"] and not works["netem"]:
            return deed
        if works["latency"]:
            raise NotExercised(f"a delay needs netem or a queue here: {works['netem']}; {works['latency']}")
        return replace(deed, order=replace(order, queue=int(choice["queue"])), reader=f"seatrial-queue-{order.tag}")

    async def _serve(self, deed: _Deed, *, stays: bool) -> None:
        log = self._directory / f"{deed.reader}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        unit = UnitOrder(
            name=deed.reader,
            argv=self._argv("serve", deed.order.text()),
            surroundings=self._surroundings(),
            log=log,
            restart=Restart.NEVER,
            stays=stays,
        )
        await self._ask(self._supervisor.start(unit))
        try:
            async with asyncio.timeout(_SERVES_S):
                while not await self._is_served(deed.order):
                    status = (await self._ask(self._supervisor.statuses()))[deed.reader]
                    if status.state is not UnitState.RUNNING:
                        said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
                        raise NotExercised(f"a queue cannot be read: {' '.join(said)}")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise PlatformError(f"the reader of a queue did not begin within {_SERVES_S:g} s") from None

    async def _is_served(self, order: Order) -> bool:
        taken = json.loads(self._read(await self._hand("choose", order.text())))["taken"]
        return order.queue in taken

    async def _undo(self, deed: _Deed) -> bool:
        """Whether there was anything to undo."""
        order = deed.order
        found = bool(json.loads(self._read(await self._hand("remove", str(order.namespace), order.tag)))["found"])
        await self._ask(self._supervisor.settle(deed.remedy, run=False))
        if deed.reader:
            with contextlib.suppress(SupervisorError):
                await self._supervisor.stop(deed.reader, None)
        return found

    async def _give_up(self, deed: _Deed) -> None:
        """After a deed that failed or was cancelled; the remedy stays where even this fails."""
        with contextlib.suppress(PlatformError, NotExercised):
            await self._undo(deed)

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", __package__, *words]

    def _surroundings(self) -> Surroundings:
        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(paths),
            "LC_ALL": "C.UTF-8",
        }
        return Surroundings(directory=Path("/"), environment=environment)

    async def _hand(self, *words: str) -> CommandResult:
        result: CommandResult = await self._ask(
            self._supervisor.run(self._argv(*words), self._surroundings(), _WITHIN_NS)
        )
        return result

    @staticmethod
    async def _ask(asked: Any) -> Any:
        try:
            return await asked
        except SupervisorError as error:
            raise PlatformError(str(error)) from error

    @staticmethod
    def _read(result: CommandResult) -> str:
        if result.exit_status == 0 and not result.timed_out:
            return result.stdout
        said = result.stderr.strip().splitlines()[-1:] or [
            "it did not end in time" if result.timed_out else "it does not say why"
        ]
        raise (NotExercised if result.exit_status == NOT_HERE else PlatformError)(said[0])
