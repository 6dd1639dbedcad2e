"""Plans of loads: what is sent, by whom, when, and what decides about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Position
from .expressions import Expression
from .quantities import format_duration
from .stack import Target

if TYPE_CHECKING:
    from .plan import ProbeCall


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
class AbortRule:
    """A load is stopped when `when` has been true of its last seconds for `for_ns`; not looked at before `after_ns`."""

    when: Expression
    after_ns: int
    for_ns: int


PROBE_WARM_UP_NS = 1_000_000_000  # of each rate that a search tries, where its load has none of its own


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPlan:
    """The highest rate at which conditions hold: from `lowest` to `highest` a second, each tried for `for_ns`."""

    lowest: float
    highest: float
    conditions: tuple[Expression, ...]
    for_ns: int
    resolution: float


def abort_finding(load: str) -> str:
    """The finding of a load that runs throughout and may be aborted."""
    return f"{load}-not-aborted"


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


def tags_of(requests: Sequence[LoadRequest], flows: UserFlows | None) -> tuple[str, ...]:
    """The tags of what a load sends, each once, in order."""
    steps = steps_of(flows.kinds) if flows is not None else ()
    return tuple(dict.fromkeys((*(r.tag for r in requests), *(s.tag for s in steps if s.call is not None))))


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

    `search`: instead of either, rates that are tried one after the other. `baseline`: a file of samples, relative to `directory`,
    or last-good.

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
    abort: tuple[AbortRule, ...] = ()
    baseline: str = ""
    search: SearchPlan | None = None
    on: str = ""  # the scheduler of the Dask cluster that sends it; empty: this machine does
    files: tuple[str, ...] = ()  # what its script reads, in its directory
    position: Position | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of its requests, each once, in order; the place of a tag is its number in the samples."""
        return tags_of(self.requests, self.flows)

    @property
    def calls(self) -> tuple[ProbeCall, ...]:
        """Every request that it may send, of those that the plan knows."""
        steps = steps_of(self.flows.kinds) if self.flows is not None else ()
        return (*(r.call for r in self.requests), *(s.call for s in steps if s.call is not None))


def own_claim(load: str) -> str:
    """What the finding of a tool's own verdict says."""
    return f"load {load}: its tool finds nothing wrong"
