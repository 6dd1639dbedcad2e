"""What the engine asks of a workload while it runs and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from .load_plans import LoadPlan
from .plan import WorkloadPlan

Adopt = Callable[[int], Awaitable[None]]
LATELY_NS = 5_000_000_000  # what the conditions of `abort` look at


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedRequest:
    """A workload's request, all filled in but the operation's own places. `urls`: scheme://host:port of each way in.

    Of other verbs than http `what` and `arguments` are the verb's own. `parameters`: those of the service (user, password, dbname, ca).
    Of a tool `what` is its file, and `arguments` holds its `arguments` and `environment`.
    """

    urls: tuple[str, ...]
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    body: str | None = None
    verb: str = "http"
    what: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    users: UserRequests | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UserRequest:
    """A request of a user's step: what is known at the start is filled in, what only the user knows is left as Templates.

    `arguments` as the verb has them, without headers; `headers` with the identity's.
    """

    method: str
    path: object
    headers: Mapping[str, object] = field(default_factory=dict)
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserRequests:
    """Those of all steps with a call of the kinds that are selected, in order; `values` that their conditions use."""

    requests: tuple[UserRequest, ...]
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A span of CLOCK_MONOTONIC ns, [from, to)."""

    from_ns: int
    to_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultSpan:
    """A fault as a workload's figures see it: injected between began and witnessed; healed when it lasts until then.

    `held_ns`: so long its victims are kept down.
    """

    id: str
    scenario: str
    began_ns: int
    witnessed_ns: int
    healed_ns: int | None
    lasting: bool
    held_ns: int = 0

    @property
    def cut(self) -> bool:
        """Its victims would have been kept down for longer, but it was undone."""
        return self.healed_ns is not None and self.healed_ns < self.witnessed_ns + self.held_ns

    @property
    def acts_until_ns(self) -> int:
        """It acts at least until then."""
        if self.lasting:
            return self.healed_ns or self.witnessed_ns
        return min(self.healed_ns or self.witnessed_ns, self.witnessed_ns + self.held_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBackValue:
    """What was read back, and when the reading began, or as much earlier as what was read may lag behind. `value` None and an error when
    it could not be read.
    """

    value: object
    began_ns: int
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """A workload's figures in a window: nested names to Interval, Quantity or Missing; `detail` is evidence."""

    metrics: Mapping[str, object]
    detail: Mapping[str, object] = field(default_factory=dict)
    counterexamples: tuple[str, ...] = ()  # sentences: lost, doubled, phantom by key


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveFigures:
    """Where a running workload stands."""

    sent: int
    ok: int
    failed: int
    unknown: int
    rate: float  # ok a second, over the last second
    in_flight: int = 0
    p95_ns: float | None = None  # of the last seconds; None where it is not known
    users: int = 0  # asked for now, of a closed load


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """A finished record file."""

    file: Path
    rows: int
    sha256: str
    valid: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnVerdict:
    """What a tool thought of its own run. `passed` None: it came to no verdict, and `words` say why. `files`: results that it left."""

    passed: bool | None
    words: str
    files: tuple[str, ...] = ()


class Workload(Protocol):
    """A running workload or load. `ended` returns when it has sent all that it had to."""

    @property
    def file(self) -> Path: ...

    def live(self) -> LiveFigures: ...

    def figures(
        self, window: Window, faults: Sequence[FaultSpan], initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> Figures:
        """Judge the operations whose intended time is in the window (and, for models, all up to its end)."""
        ...

    async def ended(self) -> None: ...

    async def stop(self) -> Sealed: ...


@runtime_checkable
class JudgesItself(Protocol):
    """A load whose tool has thresholds of its own."""

    def own(self) -> OwnVerdict:
        """Its verdict; while it runs there is none."""
        ...


class Load(Workload, Protocol):
    """A running load."""

    def lately(self) -> Mapping[str, object]:
        """Metrics of what became known in the last LATELY_NS (all of it where it runs for less); names as in `figures`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """A rate (a second) that was tried, and what came of it; `metrics` as those of Figures."""

    rate: float
    outcome: str  # HELD, BROKE, UNTOLD or GENERATOR of checkers.capacity
    reason: str
    began_ns: int
    ended_ns: int
    metrics: Mapping[str, object]


@runtime_checkable
class Searches(Protocol):
    """A load that looks for the highest rate."""

    @property
    def probes(self) -> Sequence[Probed]:
        """Those that have ended, in order."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadRun:
    """Which run of a load it is: its number from 1, the scenario ("trial": the whole), the digest of what it asks for."""

    number: int = 1
    scenario: str = ""
    digest: str = ""


class WorkloadMaker(Protocol):
    """Starts workloads, and loads (whose requests are in the order of their plan; of a script one that says where and as whom, of users
    one with theirs).

    `adopt` has the keeper own a process: it does so before the process sends anything. `run`: a load that runs again has files of its own.
    """

    async def start(
        self,
        plan: WorkloadPlan,
        request: RenderedRequest,
        directory: Path,
        prefix: str,
        adopt: Adopt,
    ) -> Workload: ...

    async def start_load(
        self,
        plan: LoadPlan,
        requests: Sequence[RenderedRequest],
        directory: Path,
        adopt: Adopt,
        run: LoadRun | None = None,
    ) -> Load: ...
