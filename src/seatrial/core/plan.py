"""The Plan: a compiled spec, frozen, without secrets and without anything left to look up.

The spec compiler makes it, the engine runs it, `seatrial plan` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import Position
from .expressions import Expression, Type
from .quantities import format_duration
from .stack import StackPlan, Target
from .verdicts import Severity, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeCall:
    """A probe to call: verb, its main argument, the others. Strings may be Templates."""

    verb: str
    what: object
    arguments: Mapping[str, object] = field(default_factory=dict)
    at: Target | None = None
    identity: str | None = None
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A condition with a name of its own; each becomes one finding."""

    name: str
    condition: Expression
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckPlan:
    """A probe with an expectation and a deadline or a duration.

    `within_ns`: tried again until it holds or the time is over (None: one attempt). `for_ns`: once it holds it must go on
    holding that long. `every_ns`: time between attempts.
    """

    call: ProbeCall
    expect: Expression | None = None
    within_ns: int | None = None
    for_ns: int | None = None
    every_ns: int | None = None
    timeout_ns: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBase:
    """What all steps have. `id` is unique in its scenario and part of the finding's stable id."""

    id: str
    title: str
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeStep(StepBase):
    """Look, judge if there is an expectation, and save values by path."""

    check: CheckPlan
    save: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultStep(StepBase):
    """Break something; ends when the fault is witnessed. The fault lives until a heal step or the scenario's end."""

    fault: str
    at: Target
    arguments: Mapping[str, object] = field(default_factory=dict)
    hold_ns: int | None = None
    within_ns: int | None = None  # for the witness
    for_ns: int | None = None  # heal after that time


@dataclass(frozen=True, kw_only=True, slots=True)
class HealStep(StepBase):
    """End a fault by its step id, or all that live (None)."""

    fault: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PauseStep(StepBase):
    """A fixed pause: recorded, and linted."""

    duration_ns: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadStep(StepBase):
    """Run a load to its end; it goes on being there for the scenario's expectations.

    `judged`: its tool has a verdict of its own, which is a finding.
    """

    load: str
    judged: bool = False


Step = ProbeStep | FaultStep | HealStep | PauseStep | LoadStep


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonBody:
    """A scenario written in Python: one node with declared effects; anything else it tries is refused and recorded."""

    file: Path
    function: str
    faults: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioPlan:
    """A claim to prove. `disrupting` ones run alone, between steady states; the others run together."""

    id: str
    title: str
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING
    labels: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    deadline_ns: int
    throughout: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()  # of `throughout`: loads whose tools have a verdict of their own, each a finding
    holds: tuple[NamedCheck, ...] = ()  # checks that must hold throughout the scenario
    steps: tuple[Step, ...] = ()
    finally_: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()
    disrupting: bool = False
    python: PythonBody | None = None
    full_length: bool = False  # says nothing where profiles are scaled
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedCheck:
    """A check with a stable name (steady state)."""

    id: str
    title: str
    check: CheckPlan
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityPlan:
    """What `as:` names: headers (Templates allowed), and a login whose answer yields a bearer token."""

    name: str
    headers: Mapping[str, object] = field(default_factory=dict)
    login: ProbeCall | None = None
    bearer: Expression | None = None  # over the login's observation


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBack:
    """How a workload's effects are read afterwards; `path` picks the value out of the observation."""

    call: ProbeCall
    path: Expression


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadPlan:
    """Clients whose every operation is recorded. Rates are per second, times ns."""

    name: str
    call: ProbeCall  # its templates may use op.id, op.n and op.key
    arrivals: Mapping[str, object]  # shape (constant, ramp, steps, spike, poisson) and its figures
    timeout_ns: int
    in_flight: int
    retries: int = 0
    resend: float = 0.0  # share of acknowledged operations that are sent once more with the same key
    accept: tuple[int, ...] = ()  # HTTP statuses that count as ok, beside 2xx and 3xx
    model: str | None = None  # set, counter
    model_arguments: Mapping[str, object] = field(default_factory=dict)  # amount
    read_back: ReadBack | None = None  # set: the keys; counter: the final value
    initial: ReadBack | None = None  # counter: the value before
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadRequest:
    """One request of a load's mix; its figures are told apart by its tag, where it has one."""

    call: ProbeCall
    weight: float = 1.0
    tag: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolPlan:
    """An existing file of another load tool, run as it is: Locust or k6. Strings of `arguments` and `environment` may be Templates.

    `spawn_rate`: users a second; `classes`, `tags` and `skip_tags` choose among what the file has (Locust).
    """

    name: str  # locust, k6
    file: str  # relative to the spec
    arguments: tuple[object, ...] = ()
    environment: Mapping[str, object] = field(default_factory=dict)
    spawn_rate: float = 0.0
    classes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The tool's name as people write it."""
        return self.name.capitalize() if self.name == "locust" else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UserStep:
    """What a user does: a request, with what must be true of its answer and what is kept of it; or, without a call, to wait.

    The templates of the call may use what only the user knows: UserFlows.later.
    """

    call: ProbeCall | None = None
    tag: str = ""
    expect: Expression | None = None
    save: Mapping[str, Expression] = field(default_factory=dict)
    think_ns: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class UserTask:
    """Steps one after another."""

    name: str
    steps: tuple[UserStep, ...]
    weight: float = 1.0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class UserKind:
    """Some of the users, by weight, and what they do, by weight. `begin`: once, before the first task."""

    name: str
    tasks: tuple[UserTask, ...]
    weight: float = 1.0
    tags: tuple[str, ...] = ()
    begin: tuple[UserStep, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """Rows for users: each takes the next one before each task, or (`each_user`) one for good."""

    file: Path
    each_user: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UserFlows:
    """Users of several kinds. `only`, `skip`: tags of kinds or tasks."""

    kinds: tuple[UserKind, ...]
    data: Mapping[str, DataFile] = field(default_factory=dict)
    cookies: bool = True
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    @property
    def selectable(self) -> tuple[str, ...]:
        """Every tag that `only` and `skip` can name."""
        each = (tags for k in self.kinds for tags in (k.tags, *(t.tags for t in k.tasks)))
        return tuple(dict.fromkeys(tag for tags in each for tag in tags))

    @property
    def selected(self) -> tuple[UserKind, ...]:
        """The kinds that can come, with the tasks that they can do; empty where nothing is left."""
        kinds = []
        only, skip = set(self.only), set(self.skip)
        for kind in self.kinds:
            every = not only or not only.isdisjoint(kind.tags)
            tasks = [
                t
                for t in kind.tasks
                if (every or not only.isdisjoint(t.tags)) and skip.isdisjoint(t.tags) and t.weight > 0
            ]
            if tasks and skip.isdisjoint(kind.tags) and kind.weight > 0:
                kinds.append(replace(kind, tasks=tuple(tasks)))
        return tuple(kinds)

    @property
    def later(self) -> frozenset[str]:
        """Names of values that only a user knows: its number, its data, what its steps save."""
        return frozenset(("user", *self.data, *(n for s in steps_of(self.kinds) for n in s.save)))


def steps_of(kinds: Iterable[UserKind]) -> Iterator[UserStep]:
    """All steps of these kinds, in order."""
    for kind in kinds:
        yield from kind.begin
        for task in kind.tasks:
            yield from task.steps


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilePlan:
    """The profile that a load has its users and its length from. `whole_ns`: its length before it was scaled.

    `instead_of`: the spec's own profile, and `own_ns` its length, where the command line chose another.
    """

    name: str
    scale: float
    whole_ns: int
    instead_of: str = ""
    own_ns: int = 0

    @property
    def for_ns(self) -> int:
        """How long it takes."""
        return scaled(self.whole_ns, self.scale)

    @property
    def text(self) -> str:
        """What was done, and what was not: "profile load, scaled to 0.1: 60s instead of 10m"."""
        asked = f" in place of {self.instead_of} ({_length(self.own_ns)})" if self.instead_of else ""
        if self.scale == 1:
            return f"profile {self.name}{asked}: {_length(self.whole_ns)}"
        took = f"{_length(self.for_ns)} instead of {_length(self.whole_ns)}"
        return f"profile {self.name}{asked}, scaled to {self.scale:g}: {took}"


def scaled(ns: int, scale: float) -> int:
    """A duration by the factor of profiles; never nothing where there was something."""
    return max(1, round(ns * scale)) if ns else 0


def _length(ns: int) -> str:
    """10m, not 10m 0s."""
    return format_duration(ns).removesuffix(" 0s").removesuffix(" 0m")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadPlan:
    """Requests over time, measured as aggregates. Open: `arrivals`; closed: `users` who think. Rates are per second, times ns.

    `crowd`: how many users there are over time, as arrivals.crowds has it; `users` is then the most. Empty: always as many.
    Instead of `requests`: `script`, "file.py:function", a generator function that yields requests and is sent answers, or an async one
    that is given a user; or `flows`; or `tool`, an existing file of Locust or k6. `protocol`: what its clients
    speak.
    """

    name: str
    requests: tuple[LoadRequest, ...] = ()
    script: str = ""
    flows: UserFlows | None = None
    tool: ToolPlan | None = None
    protocol: str = "http1"
    at: Target | None = None  # of the script's requests, and of the users'
    identity: str | None = None
    directory: Path
    arrivals: Mapping[str, object] = field(default_factory=dict)
    users: int = 0
    crowd: Mapping[str, object] = field(default_factory=dict)
    profile: ProfilePlan | None = None
    think_ns: int = 0
    for_ns: int | None = None  # None: until it is stopped
    warm_up_ns: int = 0
    window_ns: int = 10_000_000_000  # of `worst`
    timeout_ns: int
    connections: int
    pool: str = "lifo"  # or fifo: which of its free connections an open load takes
    verify: bool | str | None = None  # as the http probe has it; None: nothing was said
    cert: str = ""
    key: str = ""
    accept: tuple[int, ...] = ()
    workers: int = 1
    position: Position | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of its requests, each once, in order; the place of a tag is its number in the samples."""
        steps = steps_of(self.flows.kinds) if self.flows is not None else ()
        tags = (*(r.tag for r in self.requests), *(s.tag for s in steps if s.call is not None))
        return tuple(dict.fromkeys(tags))

    @property
    def calls(self) -> tuple[ProbeCall, ...]:
        """Every request that it may send, of those that the plan knows."""
        steps = steps_of(self.flows.kinds) if self.flows is not None else ()
        return (*(r.call for r in self.requests), *(s.call for s in steps if s.call is not None))


def own_claim(load: str) -> str:
    """What the finding of a tool's own verdict says."""
    return f"load {load}: its tool finds nothing wrong"


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A line that somebody wants shown. `applies`: platforms it is in scope on (empty: all)."""

    id: str
    text: str
    severity: Severity = Severity.BLOCKING
    applies: tuple[str, ...] = ()
    open_reason: str = ""  # declared as not covered yet, and why


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretSource:
    """Where a secret comes from: the environment, a file, or made for each trial."""

    name: str
    environment: str | None = None
    file: Path | None = None
    generate: int | None = None  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A compiled spec. Everything that could be wrong with it was found when it was compiled."""

    name: str
    file: Path
    stack: StackPlan
    digest: str  # sha256 of all the files that it was compiled from
    files: tuple[Path, ...]
    requirements: Mapping[str, Requirement] = field(default_factory=dict)
    identities: Mapping[str, IdentityPlan] = field(default_factory=dict)
    secrets: Mapping[str, SecretSource] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    workloads: Mapping[str, WorkloadPlan] = field(default_factory=dict)
    loads: Mapping[str, LoadPlan] = field(default_factory=dict)
    steady: tuple[NamedCheck, ...] = ()
    throughout: tuple[str, ...] = ()
    setup: tuple[Step, ...] = ()
    scenarios: tuple[ScenarioPlan, ...] = ()
    expect: tuple[Expectation, ...] = ()
    scale: float = 1.0  # of the durations of profiles
    warnings: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[str, ...]:
        """Loads that run throughout and whose tools have a verdict of their own: a finding each, of that name."""
        return tuple(n for n in self.throughout if n in self.loads and self.loads[n].tool is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class RedEvidence:
    """What a finding must turn into, and what its evidence must say."""

    evidence: str
    verdict: Verdict = Verdict.FAIL


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """An overlay that makes the system wrong in one way, with the findings that must notice."""

    name: str
    title: str
    why: str
    file: Path
    red: Mapping[str, RedEvidence]
    only: tuple[str, ...] = ()


STACK_METRICS: Mapping[str, Type] = {
    "up": Type.DURATION,
    "ordered": Type.BOOL,
    "services": Type.NUMBER,
    "instances": Type.NUMBER,
    "restarts": Type.NUMBER,
}
