"""What variants say of themselves: the registry of verbs, faults, kinds, models and credentials.

A variant is one file that offers a descriptor; the descriptor names the function by "module:attribute", imported when it
is used. Third parties add theirs by entry points in the groups named here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from .expressions import Type
from .quantities import Dimension
from .shapes import Field, Shape


class Wrong(NamedTuple):
    """What is wrong with arguments that are right one by one: the key to show, "" for the verb's own."""

    key: str
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """A probe by its protocol: `http: GET /x` has the main argument "GET /x"; `arguments` are the sibling keys.

    `observes` types the names that `expect` and `save` may use (`error`, `instance`, `attempts`, `took` are always there).
    `needs_target`: whether `at:` must be given. `client`: the protocol of clients that send it over and over (empty: it cannot be a
    load), `sent`: the arguments that it has then, `schemes`: of the endpoints that speak it. `makes`: names that its templates may use
    and that only it knows, when it runs (with the argument `makes_with`, where that is named): it is given such templates with all the rest
    filled in. What is known already has its own meaning. `check`: what is wrong with the main
    argument and all others together; `expects`: the condition that they set beside `expect`, or nothing; `timeout_ns`: of an attempt,
    where it takes longer than most; `inside`: the argument that is a time and has to end before that of an attempt does; `counts`:
    what of it only ever grows, so that `since` can be said of it; `together`: it looks at all instances of its target by itself;
    `opens`: whether, with these, it does no more than be let in, as a process that hangs lets in, too; `can_be`: all that a name can be,
    where its text and arguments tell; `transport`: names that say nothing of what was answered; `samples`: how many of
    something its percentiles are of, where that is told.
    """

    name: str
    doc: str
    what: Shape
    observes: Mapping[str, Type]
    run: str  # "module:function", a core.observations.Probe
    arguments: Mapping[str, Field] = field(default_factory=dict)
    default_expect: str | None = None
    needs_target: bool = True
    extra: str = ""  # the extra that brings its client library
    example: str = ""
    client: str = ""
    sent: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    check_what: Callable[[str], str | None] | None = None  # says what is wrong with a literal main argument
    # Hosts that its arguments name beside the target: each must be loopback, or allowed by name. None: its main argument's alone.
    hosts: Callable[[object, Mapping[str, object]], Iterable[str]] | None = None
    makes: Mapping[str, Type] = field(default_factory=dict)
    makes_with: str = ""
    check: Callable[[object, Mapping[str, object]], Wrong | None] | None = None
    expects: Callable[[Mapping[str, object]], str] | None = None
    timeout_ns: int | None = None
    asks: bool = True  # its target hears it, so that it hears when that is gone; a log file hears nobody
    # Whether it changes something, by its main argument and the others: such a one is not asked again for nothing.
    writes: Callable[[object, Mapping[str, object]], bool] = lambda what, arguments: False
    inside: str = ""
    counts: tuple[str, ...] = ()
    together: bool = False
    opens: Callable[[object, Mapping[str, object]], bool] | None = None
    can_be: Callable[[str, Mapping[str, object]], Mapping[str, Sequence[object]]] | None = None
    transport: tuple[str, ...] = ()
    samples: Callable[[object, Mapping[str, object]], int | None] | None = None

    def makes_of(self, given: Collection[str], known: Collection[str]) -> Mapping[str, Type]:
        """The names that it makes of these arguments, beside those that are known."""
        if self.makes_with and self.makes_with not in given:
            return {}
        return {name: made for name, made in self.makes.items() if name not in known}


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultKind:
    """A fault: what it needs of the platform, and the function that makes it.

    It hits instances, or links; one that can hit both has a `namesake` for the others, with arguments and a maker of its own. `lacks`:
    what a platform without the capability cannot, and what to do instead. `holds`: takes a time for which its victim is kept down.
    `check`: what is wrong with its arguments, all of them together; `within_ns`: for its witness, where that takes longer than most.
    """

    name: str
    doc: str
    capability: str  # of the platform: kill, stop, pause, restart ...
    make: str  # "module:Class", a core.faults.Fault
    arguments: Mapping[str, Field] = field(default_factory=dict)
    lasting: bool = False  # goes on until healed (pause), as against an event (kill)
    on_links: bool = False  # hits links, as against instances
    namesake: FaultKind | None = None
    holds: bool = True
    lacks: str = ""
    example: str = ""
    check: Callable[[Mapping[str, object]], Wrong | None] | None = None
    within_ns: int | None = None

    def hitting(self, *, link: bool) -> FaultKind | None:
        """The one of both that hits links, or instances; None where it hits only the others."""
        return next((k for k in (self, self.namesake) if k is not None and k.on_links is link), None)

    def lacking(self, platform: str) -> str:
        """Why it is not exercised on a platform without its capability."""
        return f"platform {platform} cannot {self.lacks or self.capability}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceKind:
    """A kind of service that a few lines of a stack file turn into instances."""

    name: str
    doc: str
    arguments: Mapping[str, Field]
    expand: str  # "module:function": (ServicePlan, arguments, Ground) -> Sequence[Blueprint]
    roles: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()  # suffixes of services that it brings along ("-sentinel")
    extra: str = ""
    example: str = ""
    describe: str = ""  # "module:function": core.stack.Presence -> Description, of one that something else started
    lacks: str = ""  # "module:function": () -> what would bring its software, empty where it is here


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialKind:
    """A kind of credentials that an identity can be made of; `check` sees all arguments, those taken from another identity, too.

    `lives`: ns from when they are made, by their arguments (None: for ever).
    """

    name: str
    doc: str
    arguments: Mapping[str, Field]
    make: str  # "module:function", a core.credentials.Maker
    lives: Callable[[Mapping[str, object]], int | None] = lambda arguments: None
    check: Callable[[Mapping[str, object]], Wrong | None] | None = None
    extra: str = ""  # the extra that brings its library
    example: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What a workload's operations mean, judged afterwards; `metrics` are those it adds."""

    name: str
    doc: str
    needs: tuple[str, ...]  # read-back, initial
    metrics: Mapping[str, tuple[Dimension, str]]
    arguments: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """Everything a spec may speak of; given to the compiler and the engine."""

    verbs: Mapping[str, Verb]
    faults: Mapping[str, FaultKind]
    kinds: Mapping[str, ServiceKind]
    models: Mapping[str, Model]
    workload_metrics: Mapping[str, tuple[Dimension, str]]
    load_metrics: Mapping[str, tuple[Dimension, str]] = field(default_factory=dict)
    tag_metrics: Mapping[str, tuple[Dimension, str]] = field(default_factory=dict)  # of a load's tag
    load_extras: Mapping[str, Mapping[str, tuple[Dimension, str]]] = field(
        default_factory=dict
    )  # of loads with such a key
    credentials: Mapping[str, CredentialKind] = field(default_factory=dict)
    compose: str = (
        ""  # "module:function": (ComposeProject, environment) -> ComposeFile, the one reader of compose files
    )


def load(reference: str) -> Any:
    """The object behind "module:attribute"; imported now."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def from_entry_points(group: str) -> Iterable[Any]:
    """Descriptors that installed packages offer (groups seatrial.verbs, .faults, .kinds, .models, .credentials)."""
    for point in entry_points(group=group):
        yield point.load()
