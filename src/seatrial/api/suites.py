"""`seatrial prove --suite`: runs somebody's suite of tests while the stack is broken, and shows which of them notice."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import SeatrialError, UsageError
from ..core.expressions.problems import did_you_mean
from ..core.plan import Plan
from ..core.processes import Surroundings
from ..core.quantities import NS_PER_S
from ..core.stack import LINK
from ..core.suites import SuiteCourse, SuiteRun, is_companion
from ..engine.suiting import SuiteTrial
from ..suites.reading import JUNIT, JUNIT_FILES, STDERR, STDOUT, TAP, Left, Source, read_run, source_of
from .following import both
from .places import Place
from .running import Request, run_interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from ..reports.model import TrialModel

GRACE_NS = 10 * NS_PER_S  # to write a report when it is interrupted
_FILES: Mapping[str, Source] = {"junit": Source.JUNIT, "junit-dir": Source.JUNIT, "tap": Source.TAP}
_PLACE = re.compile(r"(?<!\$)\{(junit|junit-dir|tap|[A-Za-z][\w-]*\.[A-Za-z]\w*)\}")
_INTO_FILES = 'out=$1 err=$2; shift 2; exec /bin/sh -c "$1" >"$out" 2>"$err"'


@dataclass(frozen=True, kw_only=True)
class SuiteWish:
    """What is asked for. `limit_ns` 0: made from the control run; `services`: windows of these alone."""

    command: str
    services: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    between: bool = True
    limit_ns: int = 0
    root: Path | None = None


def prove_suite(plan: Plan, wish: SuiteWish, console: Console, *, quiet: bool = False) -> tuple[TrialModel, Path]:
    """Run it in every window; what the trial's journal says, and its directory. Raises UsageError before anything is started."""
    from .reporting import write_reports

    if plan.stack.platform == "remote":
        raise UsageError.simple(
            "a remote stack cannot be broken for a suite", "a stack that seatrial starts: local, or a compose file"
        )
    windows = windows_of(plan, wish)
    check_command(wish.command, plan)
    course = SuiteCourse(
        command=wish.command,
        windows=windows,
        companions=wish.services or None,
        faults=tuple(f for f in ("stop", "pause") if f in (wish.faults or ("stop", "pause"))),
        between=wish.between,
        limit_ns=wish.limit_ns,
        notes=_notes(plan, wish),
    )
    # Workloads and loads stay: a step of the setup may need one. None of them runs by itself.
    bare = replace(plan, scenarios=(), expect=(), requirements={}, throughout=(), warnings=(), require_proof=False)
    runner = Runner(command=wish.command, directory=Path.cwd(), secrets=tuple(plan.secrets))
    make = partial(SuiteTrial, suite=runner, course=course)
    run, followed = run_interruptible(
        both(bare, Request(root=wish.root), console, quiet=quiet, make=make, placed=runner.settle)
    )
    return write_reports(run.directory, followed), run.directory


def windows_of(plan: Plan, wish: SuiteWish) -> tuple[tuple[str, str], ...]:
    """Each service stopped, then paused, and each declared link cut. Raises UsageError for what there is not."""
    services = [n for n, p in plan.stack.services.items() if LINK not in n and p.kind != "link"]
    links = [n for n in plan.stack.services if LINK in n]
    known = [*services, *links]
    for name in wish.services:
        if name not in known and not is_companion(name, services):
            hint = f"services: {', '.join(known)}. {did_you_mean(name, known)}".rstrip()
            raise UsageError.simple(f"--services {name}: the stack has none of that name", hint)
    kinds = ("stop", "pause", "cut")
    for name in wish.faults:
        if name not in kinds:
            raise UsageError.simple(f"--faults {name}: a suite is not asked under that", f"faults: {', '.join(kinds)}")
    wanted = wish.faults or kinds
    found = [
        (fault, name)
        for name in known
        for fault in (("cut",) if LINK in name else ("stop", "pause"))
        if fault in wanted and (not wish.services or name in wish.services)
    ]
    if not found and all(n in known for n in wish.services):
        raise UsageError.simple("no window is left", f"services: {', '.join(known)}; faults: {', '.join(kinds)}")
    return tuple(found)


def check_command(command: str, plan: Plan) -> None:
    """Raises UsageError for an empty command, two places for its report, and a service that there is not."""
    if not command.strip():
        raise UsageError.simple("--suite: no command", '--suite "pytest tests/e2e --junitxml={junit}"')
    names = _PLACE.findall(command)
    files = {_FILES[n] for n in names if n in _FILES}
    if len(files) > 1:
        raise UsageError.simple("--suite: {junit} and {tap} are both in the command", "one of them is read")
    services = [n for n in plan.stack.services if LINK not in n]
    for name in (n for n in names if n not in _FILES):
        service = name.partition(".")[0]
        if service not in services and not is_companion(service, services):
            hint = f"services: {', '.join(services)}. {did_you_mean(service, services)}".rstrip()
            raise UsageError.simple(f"--suite: {{{name}}}: the stack has no service {service}", hint)


def _notes(plan: Plan, wish: SuiteWish) -> tuple[str, ...]:
    """What is to be known of the course."""
    notes = []
    if not wish.between:
        notes.append("the suite did not run between windows: whether a red is of its window is known at the end alone")
    if not any(LINK in n for n in plan.stack.services):
        notes.append("the stack declares no links: nothing was cut (links: in the stack file)")
    return tuple(notes)


def variable(service: str, value: str) -> str:
    """The environment variable that holds an address: SEATRIAL_MY_WEB_URL."""
    return re.sub(r"\W", "_", f"SEATRIAL_{service}_{value}").upper()


@dataclass(kw_only=True)
class Runner:
    """core.suites.Suite: a command line in a shell, run by the keeper of a trial."""

    command: str
    directory: Path  # where it runs
    secrets: tuple[str, ...] = ()
    _place: Place | None = None
    _source: Source | None = None
    _runs: int = 0

    def settle(self, place: Place) -> None:
        """Where the trial runs is known."""
        self._place = place

    async def run(self, name: str, addresses: Mapping[str, Mapping[str, str]], limit_ns: int) -> SuiteRun:
        """core.suites.Suite."""
        assert self._place is not None
        self._runs += 1
        slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
        where = self._place.directory / "suite" / f"{self._runs:02}-{slug}"
        where.mkdir(parents=True)
        if "{junit-dir}" in self.command:
            (where / JUNIT_FILES).mkdir()
        line = render(self.command, where, addresses)
        argv = ["/bin/sh", "-c", _INTO_FILES, "suite", str(where / STDOUT), str(where / STDERR), line]
        surroundings = Surroundings(directory=self.directory, environment=self._environment(addresses))
        result = await self._place.run(argv, surroundings, limit_ns, GRACE_NS)
        wanted = next((_FILES[n] for n in _PLACE.findall(self.command) if n in _FILES), None)
        left = Left(directory=where, wanted=wanted, result=result)
        # What the first run wrote is read of all: one that breaks off and writes nothing is not judged by something else.
        self._source = self._source or source_of(left)
        found = read_run(name, left, self._source)
        return replace(found, directory=str(where.relative_to(self._place.directory)))

    def _environment(self, addresses: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Ours, where the services are, and the spec's secrets: a suite may have to log in."""
        assert self._place is not None
        told = {variable(service, n): v for service, values in addresses.items() for n, v in values.items()}
        keys = {variable("secret", n): self._place.secrets(n) for n in self.secrets}
        return {**os.environ, "PYTHONUNBUFFERED": "1", **told, **keys}


def render(command: str, where: Path, addresses: Mapping[str, Mapping[str, str]]) -> str:
    """The command line with its places filled in. Raises SeatrialError for a value that a service does not have."""
    files = {"junit": where / JUNIT, "junit-dir": where / JUNIT_FILES, "tap": where / TAP}

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name in files:
            return shlex.quote(str(files[name]))
        service, _, value = name.partition(".")
        values = addresses.get(service, {})
        if value not in values:
            hint = f"it has {', '.join(sorted(values)) or 'none'}. {did_you_mean(value, list(values))}".rstrip()
            raise SeatrialError(f"--suite: {{{name}}}: {service} has no {value}; {hint}")
        return shlex.quote(values[value])

    return _PLACE.sub(put, command)


def suite_json(model: TrialModel, directory: Path) -> str:
    """For a pipe."""
    from ..reports.suites import summary_of

    return json.dumps({**summary_of(model), "trial": str(directory)}, indent=2)


__all__ = ["SuiteWish", "prove_suite", "suite_json"]
