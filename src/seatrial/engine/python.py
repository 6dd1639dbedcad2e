"""Python scenarios: one node of the Plan with declared effects; an undeclared one is refused and recorded."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from ..core.errors import SeatrialError
from ..core.events import Noted
from ..core.expressions import compile_expression
from ..core.observations import Observation
from ..core.plan import CheckPlan, FaultStep, HealStep, ProbeCall, PythonBody
from ..core.quantities import Dimension, parse_quantity
from ..core.targets import parse_target
from ..core.verdicts import Verdict
from .checks import Place

if TYPE_CHECKING:
    from .scenario import ScenarioRun


class Undeclared(SeatrialError):  # noqa: N818
    """A Python scenario tried something it had not declared."""


class CheckFailed(Exception):  # noqa: N818
    """An expectation of a Python scenario was not met; carries the verdict."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


class Trial:
    """What a Python scenario is given. Each method does what the step of that name does, and is recorded like it."""

    def __init__(self, run: ScenarioRun, body: PythonBody) -> None:
        self._run = run
        self._body = body
        self._count = 0

    @property
    def values(self) -> dict[str, object]:
        """The trial's values as they are now."""
        return self._run.values.all()

    def save(self, name: str, value: object) -> None:
        """Keep a value for later scenarios."""
        self._run.values.save(name, value)

    async def probe(
        self, verb: str, what: object = "", /, *, at: str | None = None, as_: str | None = None, **arguments: Any
    ) -> Observation:
        """Look once. Raises Undeclared for a service that was not declared."""
        call = self._call(verb, what, at, as_, arguments)
        self._count += 1
        result = await self._run.crew.checks.run(
            CheckPlan(call=call), self.values, Place(scenario=self._run.plan.id, step=f"{verb}-{self._count}")
        )
        return result.observation

    async def check(
        self,
        verb: str,
        what: object = "",
        /,
        *,
        expect: str,
        at: str | None = None,
        as_: str | None = None,
        within: str | None = None,
        **arguments: Any,
    ) -> Observation:
        """Look until the expectation holds, at most `within`. Raises CheckFailed, which ends the scenario."""
        call = self._call(verb, what, at, as_, arguments)
        self._count += 1
        checks = self._run.crew.checks
        condition = compile_expression(checks.condition(call, expect), None)
        plan = CheckPlan(call=call, expect=condition, within_ns=duration(within))
        result = await checks.run(plan, self.values, Place(scenario=self._run.plan.id, step=f"{verb}-{self._count}"))
        if result.verdict is not Verdict.PASS:
            raise CheckFailed(result.verdict, f"{verb} {what}: {result.judgement.reason or result.observation.message}")
        return result.observation

    async def fault(self, fault: str, /, *, at: str, hold: str | None = None, **arguments: Any) -> tuple[str, ...]:
        """Break something and wait for the witness; returns the victims' names."""
        if fault not in self._body.faults:
            self._refuse(f"fault {fault} is not declared (faults={list(self._body.faults)})")
        self._check_service(at)
        self._count += 1
        step = FaultStep(
            id=f"{fault}-{self._count}",
            title=f"{fault} {at}",
            fault=fault,
            at=parse_target(at),
            arguments=arguments,
            hold_ns=duration(hold),
        )
        live = await self._run.crew.faults.inject(self._run.plan.id, step)
        if not live.witnessed:
            raise CheckFailed(Verdict.INCONCLUSIVE, f"no witness saw {fault} at {at} act")
        return tuple(v.name for v in live.victims)

    async def heal(self) -> None:
        """End all faults of this scenario."""
        await self._run.step(HealStep(id="heal", title="heal all"))

    def _call(
        self, verb: str, what: object, at: str | None, identity: str | None, arguments: dict[str, Any]
    ) -> ProbeCall:
        if at is not None:
            self._check_service(at)
        return ProbeCall(
            verb=verb, what=what, arguments=arguments, at=parse_target(at) if at else None, identity=identity
        )

    def _check_service(self, at: str) -> None:
        service = parse_target(at).service
        if self._body.services and service not in self._body.services:
            self._refuse(f"service {service} is not declared (services={list(self._body.services)})")

    def _refuse(self, what: str) -> None:
        message = f"{self._body.function}: refused: {what}"
        self._run.crew.journal.write(Noted(level="error", message=message, scenario=self._run.plan.id))
        raise Undeclared(message)


def duration(text: str | None) -> int | None:
    """ns of a duration with its unit."""
    return None if text is None else int(parse_quantity(text, Dimension.DURATION).value)


async def run_body(run: ScenarioRun, body: PythonBody) -> tuple[Verdict, str]:
    """Run the function; an assertion is a FAIL, an error of its own INCONCLUSIVE."""
    function = load_function(body)
    try:
        await function(Trial(run, body))
    except CheckFailed as failed:
        return failed.verdict, str(failed)
    except AssertionError as failed:
        return Verdict.FAIL, f"assertion failed: {failed}"
    except SeatrialError as error:
        return Verdict.INCONCLUSIVE, str(error)
    except Exception as error:  # noqa: BLE001 - their bug is not the system's failure
        return Verdict.INCONCLUSIVE, f"{type(error).__name__} in {body.function}: {error}"
    return Verdict.PASS, ""


def load_function(body: PythonBody) -> Any:
    """The scenario's function; its file is imported once under a name of its own."""
    name = f"seatrial_scenarios_{abs(hash(str(body.file)))}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, body.file)
        if spec is None or spec.loader is None:
            raise SeatrialError(f"{body.file} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return getattr(module, body.function)


__all__ = ["CheckFailed", "Trial", "Undeclared", "load_function", "run_body"]
