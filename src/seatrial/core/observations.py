"""Probes and what they see.

A probe reads a fact and never judges. It returns a value, a *target error* (refused, timed out: the target's doing, can
FAIL a check) or a *probe error* (no driver, our own wrong credentials, our bug: never more than INCONCLUSIVE).
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .links import LinkTraffic, Tried
from .processes import CommandResult
from .stack import Actual, Declaration, Endpoint, Instance, Target, Usage

if TYPE_CHECKING:
    from .expressions import Judgement
    from .plan import CheckPlan


class Seen(enum.StrEnum):
    """What came of an attempt."""

    VALUE = "value"
    TARGET_ERROR = "target-error"
    PROBE_ERROR = "probe-error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One attempt of a probe, with all that was seen.

    `values` holds the names that expressions may use, as the probe's descriptor types them; `error` a word for the kind
    of error (refused, timeout, reset, name, tls, protocol, ...); `record` JSON-like evidence (request, answer, rows).
    """

    seen: Seen
    values: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    message: str = ""
    record: Mapping[str, object] = field(default_factory=dict)
    started_ns: int = 0
    ended_ns: int = 0
    at: str = ""  # instance or endpoint that answered


def value(values: Mapping[str, object], record: Mapping[str, object] | None = None, message: str = "") -> Observation:
    """An observation that holds values."""
    return Observation(seen=Seen.VALUE, values=values, record=record or {}, message=message)


def target_error(error: str, message: str, record: Mapping[str, object] | None = None) -> Observation:
    """The target refused, was silent, or answered with nonsense."""
    return Observation(seen=Seen.TARGET_ERROR, error=error, message=message, record=record or {})


def probe_error(error: str, message: str, record: Mapping[str, object] | None = None) -> Observation:
    """We could not look: says nothing about the target."""
    return Observation(seen=Seen.PROBE_ERROR, error=error, message=message, record=record or {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What a probe is pointed at: one instance, a service as its clients see it, or a named endpoint.

    `endpoints` of a service as a whole are those of all its instances, in order, names suffixed by `#ordinal` from the
    second on; `parameters` are the service's (user, password, dbname, ...).
    """

    name: str
    service: str
    kind: str
    endpoints: Mapping[str, Endpoint]
    parameters: Mapping[str, str] = field(default_factory=dict)
    instance: Instance | None = None


class Surroundings(Protocol):
    """What a probe may do beside its own connection; a platform that cannot raises NotExercised."""

    async def execute(self, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        """Run a command where the target runs, as its processes would."""
        ...

    async def own(self, pid: int, purpose: str) -> None:
        """Have the keeper own a process of ours, where there is a keeper: it ends when we do, whatever ended us."""
        ...

    async def usage(self) -> Usage: ...

    async def usages(self) -> Mapping[str, Usage]:
        """Of each of the target's instances that runs."""
        ...

    async def traffic(self) -> LinkTraffic:
        """What has passed through the target, a link: all its instances together."""
        ...

    async def tries(self, link: Target, since_ns: int) -> Sequence[Tried]:
        """What was tried at a link, after a moment; see core.links.HasLinks."""
        ...

    async def ask(self, check: CheckPlan, values: Mapping[str, object]) -> tuple[Observation, Judgement]:
        """A check of the spec once, now, at its own target; `values` beside those of the scenario."""
        ...

    def log_files(self) -> Mapping[str, Path]:
        """Log file by instance name, of the target."""
        ...

    def log_mark(self) -> Mapping[str, int]:
        """Byte offset in each log file since which the probe should look (start of the scenario)."""
        ...

    def log_explained(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """By instance name, ranges of its log (bytes) that were written while the stack came up, or while something was broken on
        purpose or mended.
        """
        ...

    def declared(self) -> Mapping[str, Declaration]:
        """What the stack file promises of every service."""
        ...

    async def actual(self) -> Mapping[str, Actual]:
        """The same as it is, of each of the target's instances that runs."""
        ...

    async def health(self) -> Mapping[str, tuple[bool, str]]:
        """Whether each of the target's instances says that it is well, asked now, and in which words."""
        ...

    def changes(self) -> Sequence[Instance]:
        """Every change of an instance since the stack was started, in order."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeRequest:
    """One attempt to make. Times are ns; the probe must answer within `timeout_ns`."""

    what: object
    arguments: Mapping[str, object]
    reach: Reach
    headers: Mapping[str, str]  # credentials of the identity
    timeout_ns: int
    around: Surroundings
    instances: Sequence[Instance] = ()  # all of the target's, as the platform sees them now


Probe = Callable[[ProbeRequest], Awaitable[Observation]]
