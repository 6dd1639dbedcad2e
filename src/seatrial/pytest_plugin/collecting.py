"""A spec as a test file. Its findings are tests, and the trial runs once, when the first of them is set up.

PASS passes, FAIL fails. INCONCLUSIVE is an error, never a skip: who counts green tests must not count what was not shown. A finding that
does not decide the trial (non-blocking, informational) is an expected failure where it does not pass, with its reason.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..core.errors import SeatrialError, UsageError
from ..core.results import Finding, PlannedFinding
from ..core.verdicts import Severity, Verdict

if TYPE_CHECKING:
    from ..api.running import Run
    from ..core.plan import Plan

_ONE = "seatrial: a trial cannot be shared out among pytest-xdist's workers: its findings are of one stack. Run it with -n 0"


class _NotShown(Exception):  # noqa: N818 - a verdict
    """INCONCLUSIVE."""


class _Failed(Exception):  # noqa: N818 - a verdict
    """FAIL."""


class SpecFile(pytest.File):
    """A spec."""

    plan: Plan
    run: Run | None = None
    failure: BaseException | None = None

    def collect(self) -> Iterable[pytest.Item]:
        """A test for each finding that is planned. Raises CollectError for a wrong spec, and for pytest-xdist."""
        if hasattr(self.config, "workerinput"):
            raise self.CollectError(_ONE)
        from ..api.vocabulary import vocabulary
        from ..engine.ledger import planned_findings
        from ..spec import compile_spec

        shown = Path(os.path.relpath(self.path))
        try:
            self.plan = compile_spec(shown, vocabulary(), environment=os.environ)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        for planned in planned_findings(self.plan, self.plan.scenarios):
            yield FindingTest.from_parent(self, name=planned.id, planned=planned)

    def finding(self, id_: str) -> Finding:
        """What the trial found; it runs now if it has not. Raises what it raised."""
        if self.failure is not None:
            raise self.failure
        if self.run is None:
            try:
                self.run = self._run()
            except SeatrialError as error:
                self.failure = error
                raise
        return self.run.ledger.findings[id_]

    def _run(self) -> Run:
        from ..api.reporting import write_reports
        from ..api.running import Request, run_trial
        from . import LINES

        wanted = {i.planned.scenario for i in self.session.items if isinstance(i, FindingTest) and i.parent is self}
        scenarios = [s.id for s in self.plan.scenarios]
        only = tuple(s for s in scenarios if s in wanted)
        if len(only) == len(scenarios):
            only = ()
        run = asyncio.run(run_trial(self.plan, Request(only=only, command=("pytest", str(self.path)))))
        write_reports(run.directory)
        report = os.path.relpath(run.directory / "report.html")
        line = f"seatrial: {run.ledger.summary(self.plan)}; report: {report}"
        self.config.stash.setdefault(LINES, []).append(line)
        return run


class FindingTest(pytest.Item):
    """A finding."""

    def __init__(self, *, planned: PlannedFinding, **more: Any) -> None:
        super().__init__(**more)
        self.planned = planned
        for requirement in planned.covers:
            self.user_properties.append(("covers", requirement))

    def setup(self) -> None:
        """The trial, if this is the first of its tests. Raises where nothing was shown."""
        assert isinstance(self.parent, SpecFile)
        found = self.parent.finding(self.planned.id)
        if found.verdict is Verdict.INCONCLUSIVE:
            self._unless_it_decides(found)
            raise _NotShown(found.reason)

    def runtest(self) -> None:
        """Its verdict."""
        assert isinstance(self.parent, SpecFile)
        found = self.parent.finding(self.planned.id)
        if found.verdict is Verdict.FAIL:
            self._unless_it_decides(found)
            raise _Failed(found.reason)

    def _unless_it_decides(self, found: Finding) -> None:
        if found.waived:
            pytest.xfail(f"waived {found.waived}; {found.verdict.value}: {found.reason}")
        if found.severity is not Severity.BLOCKING:
            pytest.xfail(f"{found.severity.value}, {found.verdict.value}: {found.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The claim and the reason, and where to read more, instead of a traceback of ours."""
        error = excinfo.value
        if isinstance(error, _Failed | _NotShown):
            word = "FAIL" if isinstance(error, _Failed) else "INCONCLUSIVE"
            covers = f" (covers {', '.join(self.planned.covers)})" if self.planned.covers else ""
            lines = [f"{word}  {self.planned.claim}{covers}", f"  {error}", f"  seatrial explain {self.planned.id}"]
            return "\n".join(lines)
        if isinstance(error, SeatrialError):
            return f"the trial could not run: {error}"
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """By its id."""
        return self.path, None, self.planned.id
