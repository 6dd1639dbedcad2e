"""The Plan: a compiled spec, frozen, without secrets and without anything left to look up.

The spec compiler makes it, the engine runs it, `seatrial plan` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Position, Problem
from .expressions import Expression, Type
from .load_plans import LoadPlan
from .stack import StackPlan, Target
from .verdicts import Severity, Verdict
from .waivers import Waiver

BEGIN, SETUP = "begin", "setup"  # moments that have no step
ATTEMPT_NS = 5_000_000_000  # of an attempt, where nothing else is said


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


def calls_in(call: ProbeCall) -> Iterator[ProbeCall]:
    """A call, and those of checks inside its arguments."""
    yield call
    for argument in call.arguments.values():
        if isinstance(argument, CheckPlan):
            yield from calls_in(argument.call)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckPlan:
    """A probe with an expectation and a deadline or a duration.

    `within_ns`: tried again until it holds or the time is over (None: one attempt). `for_ns`: once it holds it must go on
    holding that long. `every_ns`: time between attempts. `since`: what the verb counts is what was counted since then: BEGIN (of the
    scenario), SETUP (its end), or the id of a step (its end).
    """

    call: ProbeCall
    expect: Expression | None = None
    within_ns: int | None = None
    for_ns: int | None = None
    every_ns: int | None = None
    timeout_ns: int | None = None
    since: str | None = None


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
    notices: tuple[str, ...] = ()  # services and links that it must turn red for, beside its target


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultStep(StepBase):
    """Break something; ends when the fault is witnessed. The fault lives until a heal step or the scenario's end."""

    fault: str
    at: Target
    arguments: Mapping[str, object] = field(default_factory=dict)
    hold_ns: int | None = None
    within_ns: int | None = None  # for the witness
    for_ns: int | None = None  # heal after that time
    untold: bool = False  # clients are judged as if nobody had broken anything; nobody writes that, see CounterStep


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

    `judged`: that it is not aborted is a finding, or that its tool is content with it.
    """

    load: str
    judged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterState:
    """A state that a check has to notice: what is broken, or said, or counted before it is asked. `check` as it is asked there.

    `first`: something that is sent where nothing was to be; `turned`: it reads the record of the stack's start the other way round.
    `errors`: of an answer, that are what was made of it here and would be something else elsewhere.
    """

    id: str  # "cut clients -> web", for people
    check: CheckPlan
    fault: FaultStep | None = None
    first: ProbeCall | None = None
    turned: bool = False
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterStep(StepBase):
    """A step's check in the midst of its scenario, in states that it has to notice: FAIL where it is red in one of them, for the right
    reason. It stands where the spec leads to: nobody writes it, `seatrial prove` makes it.
    """

    of: str  # the step's id
    states: tuple[CounterState, ...]


Step = ProbeStep | FaultStep | HealStep | PauseStep | LoadStep | CounterStep


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonBody:
    """A scenario written in Python: one node with declared effects; anything else it tries is refused and recorded."""

    file: Path
    function: str
    faults: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioPlan:
    """A claim to prove. `disrupting` ones run alone, between steady states; the others run together, unless they are to be `alone`.
    `needs`: they must have passed; `after`: they must have ended, however, where they run at all.
    """

    id: str
    title: str
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING
    labels: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    alone: bool = False
    deadline_ns: int
    throughout: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()  # of `throughout`: loads whose tools have a verdict of their own, each a finding
    holds: tuple[NamedCheck, ...] = ()  # checks that must hold throughout the scenario
    steps: tuple[Step, ...] = ()
    finally_: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()
    disrupting: bool = False
    python: PythonBody | None = None
    abortable: tuple[str, ...] = ()  # loads of `throughout` that may be aborted: a finding each, see `abort_finding`
    paths: tuple[str, ...] = ()  # patterns of files, relative to the spec, that it depends on; none: on everything
    full_length: bool = False  # says nothing where profiles are scaled down or a shorter one was chosen
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedCheck:
    """A check with a stable name (steady state)."""

    id: str
    title: str
    check: CheckPlan
    covers: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()  # as those of a ProbeStep


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityPlan:
    """What `as:` names: headers (Templates allowed), and a login whose answer yields a bearer token, or credentials of a `kind`, made of
    its arguments.
    """

    name: str
    headers: Mapping[str, object] = field(default_factory=dict)
    login: ProbeCall | None = None
    bearer: Expression | None = None  # over the login's observation
    kind: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBack:
    """How a workload's effects are read afterwards; `path` picks the value out of the observation. `lag_ns`: what was acknowledged so
    shortly before need not be there yet.
    """

    call: ProbeCall
    path: Expression
    lag_ns: int = 0


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
    answers: bool = False  # what stands for the text of each answer is recorded, too (HTTP)
    position: Position | None = None


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
class FilesTested:
    """Which files belong to what is tested, beside those of the spec and of the directories that services run from.

    `also`: files, directories and patterns, relative to the spec; `ignore`: names and patterns of what is written while it runs.
    `most_bytes`: hashed at most; the rest is told apart by size and time.
    """

    also: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    most_bytes: int = 1 << 30


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
    waivers: Mapping[str, Waiver] = field(default_factory=dict)  # by the finding's id
    tested: FilesTested = field(default_factory=lambda: FilesTested())
    warnings: tuple[Problem, ...] = ()  # what is not wrong, and deserves a second look
    stack_file: Path | None = None  # used in place of the one that the spec names
    require_proof: bool = False  # a blocking check that is not proven shows nothing
    left_out: tuple[str, ...] = ()  # what `stack-health` made no scenario of, and why

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
    """What makes the system wrong in one way, with the findings that must notice: an overlay in a file, or, generated, a Plan."""

    name: str
    title: str
    why: str
    file: Path | None
    red: Mapping[str, RedEvidence]
    only: tuple[str, ...] = ()
    plan: Plan | None = None


STACK_METRICS: Mapping[str, Type] = {
    "up": Type.DURATION,
    "ordered": Type.BOOL,
    "services": Type.NUMBER,
    "instances": Type.NUMBER,
    "restarts": Type.NUMBER,
}
