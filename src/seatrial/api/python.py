"""seatrial from Python: a stack for tests, and whole trials.

async with seatrial.stack({"postgres": {"kind": "postgres"}}) as shop:
    dsn = shop.exports("postgres")["dsn"]
    await shop.kill("postgres/primary")
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import NotExercised, SeatrialError
from ..core.faults import Fault, FaultOrder
from ..core.observations import Observation
from ..core.plan import CheckPlan, Plan
from ..core.quantities import Dimension, parse_quantity
from ..core.redaction import Redactor
from ..core.stack import Instance
from ..core.targets import parse_target
from ..core.verdicts import Verdict
from ..core.vocabulary import load
from ..engine.checks import Checks
from ..engine.checks import Place as Spot
from ..engine.faulting import WITNESS_WITHIN_NS
from ..engine.journal import Journal
from ..engine.outside import outside
from ..engine.probing import Prober
from ..probes import close as close_probes
from ..spec import compile_check, compile_stack_text
from .places import Place, place
from .secrets import Secrets
from .vocabulary import vocabulary


class CheckFailed(AssertionError):  # noqa: N818 - a failed check, as AssertionError has it
    """A check did not hold; the message says what was wanted and seen."""


class Stack:
    """A running stack. Methods raise SeatrialError when something cannot be done, CheckFailed when a check does not hold."""

    def __init__(self, here: Place, prober: Prober, checks: Checks) -> None:
        self._here = here
        self._prober = prober
        self._checks = checks
        self._exports: dict[str, Mapping[str, str]] = {}
        self._live: list[tuple[Fault, list[Instance]]] = []

    async def start(self) -> None:
        """Bring everything up."""
        await self._here.platform.up(lambda _: None)
        views = await self._here.platform.survey()
        self._exports = {name: outside(view) for name, view in views.items()}

    def exports(self, service: str) -> Mapping[str, str]:
        """What a service offers to others (`dsn`, `url`, ...), with addresses that this process can use."""
        if service not in self._exports:
            raise SeatrialError(f"the stack has no service {service}; services: {', '.join(self._exports)}")
        return self._exports[service]

    async def instances(self, at: str) -> list[Instance]:
        """The instances that a target means now."""
        return await self._prober.instances(parse_target(at))

    async def check(
        self, step: str, *, at: str | None = None, expect: str | None = None, within: str | None = None
    ) -> Observation:
        """A step as in a spec, on one line; retried `within`. Returns what was seen when it held."""
        plan: CheckPlan = compile_check(step, vocabulary(), at=at, expect=expect, within=within, environment=os.environ)
        result = await self._checks.run(plan, {}, Spot(scenario="python", step=step))
        if result.verdict is not Verdict.PASS:
            wanted = plan.expect.source if plan.expect else "an answer"
            raise CheckFailed(f"{step}: wanted {wanted}, {result.judgement.reason or result.observation.message}")
        return result.observation

    async def kill(self, at: str, *, hold: str | None = None) -> list[Instance]:
        """SIGKILL the units of a target, and wait until a witness saw it; `hold` keeps them down that long."""
        return await self._break("kill", at, hold)

    async def stop(self, at: str, *, hold: str | None = None) -> list[Instance]:
        """Stop in order; down until `heal`."""
        return await self._break("stop", at, hold)

    async def pause(self, at: str) -> list[Instance]:
        """SIGSTOP; until `heal`."""
        return await self._break("pause", at, None)

    async def heal(self) -> None:
        """End all faults, the last one first."""
        while self._live:
            fault, victims = self._live.pop()
            await fault.heal(self._here.platform, victims)

    async def _break(self, name: str, at: str, hold: str | None) -> list[Instance]:
        import asyncio

        hold_ns = int(parse_quantity(hold, Dimension.DURATION).value) if hold else None
        fault: Fault = load(vocabulary().faults[name].make)(FaultOrder(hold_ns=hold_ns, arguments={}))
        target = parse_target(at)
        victims = await self.instances(at)
        victims = victims if target.everywhere else victims[:1]
        if not victims:
            raise NotExercised(f"nothing answers to {at}")
        self._live.append((fault, victims))
        await fault.inject(self._here.platform, victims)
        async with asyncio.timeout(WITNESS_WITHIN_NS / 1e9):
            for victim in victims:
                while not (await fault.witness(self._here.platform, victim)).acted:  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(0.02)
        return victims


@contextlib.asynccontextmanager
async def stack(services: Mapping[str, Any] | str | Path, *, directory: Path | None = None) -> AsyncIterator[Stack]:
    """A stack for as long as the block runs: a stack file, or its `services:` as a mapping. Nothing remains of it."""
    from ..spec import compile_stack

    with contextlib.ExitStack() as cleanup:
        home = directory or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-")))
        if isinstance(services, Mapping):
            plan_of_stack = compile_stack_text(services, vocabulary(), directory=Path.cwd(), environment=os.environ)
        else:
            plan_of_stack = compile_stack(Path(services), vocabulary(), environment=os.environ)
        plan = Plan(name=plan_of_stack.name, file=home, stack=plan_of_stack, digest="", files=())
        redactor, secrets = Redactor([]), Secrets({})
        prober = Prober(vocabulary(), secrets, redactor)
        with Journal(home, redactor) as journal:
            async with place(plan, home, prober, secrets, redactor) as here:
                running = Stack(here, prober, Checks(prober, journal))
                try:
                    await running.start()
                    yield running
                finally:
                    await running.heal()
                    await close_probes()
