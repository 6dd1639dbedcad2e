"""Platforms: where a stack runs and how to act on it.

The base protocol is small; what a platform can do beyond it are capability protocols, found by `isinstance`. Convergence is
asynchronous: an act returns when it was ordered, `survey` tells what came of it. Instances come and go between surveys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from .expressions import Judgement
from .fingerprints import OpenFile, Part
from .observations import Observation, Reach
from .plan import CheckPlan, NamedCheck
from .processes import CommandResult, ProcessId, Residue
from .stack import Actual, Declaration, Instance, Usage

SHARED: Final = frozenset({"images", "processor time"})
"""What progress is told of that belongs to no service alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What the platform is doing, for people: subject (an instance, a service, or one of `SHARED`), state, and what is waited for."""

    subject: str
    state: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceView:
    """A service now. `roles` are the names it can have; `steady` what must hold for it as a whole."""

    name: str
    kind: str
    instances: Sequence[Instance]
    wanted: int  # how many instances there should be
    parameters: Mapping[str, str]
    exports: Mapping[str, str]
    roles: Mapping[str, CheckPlan]
    steady: Sequence[NamedCheck] = ()
    ready: CheckPlan | None = None
    optional: bool = False  # the stack is whole without it


class Prober(Protocol):
    """Runs a check once, now, at one instance: how platforms ask for readiness without knowing any probe."""

    async def attempt(self, check: CheckPlan, reach: Reach, timeout_ns: int) -> tuple[Observation, Judgement]: ...


class Platform(Protocol):
    """Where the stack is."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Of: start, kill, stop, pause, restart, execute, usage, logs, link, network, disconnect, constrain."""
        ...

    async def up(self, progress: Callable[[Progress], None]) -> None:
        """Everything running and ready, in the order of dependencies. Raises PlatformError naming what did not and why."""
        ...

    async def survey(self) -> Mapping[str, ServiceView]:
        """All services as they are now; cheap (milliseconds). Instances include those that are down."""
        ...

    def changes(self) -> AsyncIterator[Instance]:
        """Every change of an instance's state from now on (start, ready, end, restart)."""
        ...

    async def down(self) -> Residue:
        """End everything that this platform started; what is left."""
        ...


@runtime_checkable
class CanPrepare(Protocol):
    async def prepare(self, progress: Callable[[Progress], None]) -> None:
        """Make and fetch what a first start lacks and a later one has (images), before `up`, which counts as coming up without it.

        Raises PlatformError, as `up` does. `up` by itself does it, too.
        """
        ...


@runtime_checkable
class Lacks(Protocol):
    @property
    def lacking(self) -> Mapping[str, str]:
        """Optional services that cannot be had here, and what would bring them; known once it is up."""
        ...


@runtime_checkable
class CanKill(Protocol):
    async def kill(self, instance: Instance, hold_ns: int | None) -> None:
        """End the whole unit at once; kept down for hold_ns (0: its restart policy acts at once, None: until released)."""
        ...


@runtime_checkable
class CanStop(Protocol):
    async def stop(self, instance: Instance, hold_ns: int | None) -> None: ...


@runtime_checkable
class CanRelease(Protocol):
    async def release(self, instance: Instance) -> None:
        """End a hold or a pause: what is down is started again."""
        ...


@runtime_checkable
class CanPause(Protocol):
    async def pause(self, instance: Instance) -> None: ...


@runtime_checkable
class CanExecute(Protocol):
    async def execute(self, instance: Instance, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        """Run a command as the instance's processes would: same names, user, directory, environment."""
        ...


@runtime_checkable
class CanIdentify(Protocol):
    """A platform that knows what its instances run."""

    async def parts(self) -> Sequence[Part]:
        """Of each instance that runs now: its program or image, with its digest. Cheap: what was hashed before is remembered."""
        ...


@runtime_checkable
class CanSeeWriters(Protocol):
    """A platform that sees which files its instances have open for writing."""

    async def writers(self) -> Mapping[OpenFile, str]:
        """Regular files with the instance, now, of services that are commands. Cheap (milliseconds)."""
        ...


@runtime_checkable
class CanMeasure(Protocol):
    async def usage(self, instance: Instance) -> Usage: ...


@runtime_checkable
class CanSeeSockets(Protocol):
    async def sockets(self) -> Mapping[str, tuple[int, int]]:
        """By instance: TCP connections that are established at its ports, and those of them that wait to be accepted.

        One that listens on none of its ports is left out. Cheap (milliseconds).
        """
        ...


@runtime_checkable
class CanReadLogs(Protocol):
    def log_file(self, instance: Instance) -> Path: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What an independent look at an instance showed: read from the system itself, not from whoever acted on it.

    `alive`: its process exists; `identity` as in Instance; `stopped`: all its processes are in state T, or frozen; `accepts`: a TCP
    connection to its first endpoint was accepted (None: it has none); `answers`: something came back (None: not asked for). Where
    something stands before it that accepts for it (the proxy of a container engine), answers are what counts.
    """

    at_ns: int
    alive: bool
    identity: str | None
    stopped: bool
    accepts: bool | None
    detail: str = ""
    answers: bool | None = None


@runtime_checkable
class CanWitness(Protocol):
    async def look(self, instance: Instance) -> Sighting: ...


@runtime_checkable
class CanImpairNetworks(Protocol):
    """What an instance sends and is sent can be impaired where it runs. Undone with whoever ordered it, whatever ended them."""

    async def impair_network(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """Begin one: partition, loss, bandwidth, latency, dns, disconnect. Its number. Raises NotExercised where rights or kernel lack.

        Arguments: `direction` (in, out, both), `peers` (services: only what comes from them and goes to them), `share`, `rate` (bytes a
        second), `delay_ns`, `jitter_ns`, `distribution`, `how` (drop, refuse).
        """
        ...

    async def mend_network(self, instance: Instance, number: int) -> None:
        """End it. Raises PlatformError where it had ended before."""
        ...


@runtime_checkable
class CanConstrain(Protocol):
    """What an instance may use can be cut down while it runs, or taken by others. Undone with whoever ordered it, whatever ended them."""

    async def constrain(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """Begin one: its number. Raises NotExercised where the platform or the rights do not allow it.

        Limits: cpu (`cores`), memory (`size` in bytes, or `above` what it uses), pids (`count`), descriptors (`count`, of each process).
        Pressure: cpu-pressure (`cores`, or a `share` of those it may use), memory-pressure (`size`, or what to `leave`; `relentless`: until
        the kernel kills one of its control group for it). Others: disk (`path`, `leave`), clock (`offset` in ns).
        """
        ...

    async def relax(self, instance: Instance, number: int) -> None:
        """End it. Raises PlatformError where it had ended by itself."""
        ...

    def presser(self, number: int) -> ProcessId | None:
        """The process of ours behind a pressure: a witness looks at it, and asks nobody."""
        ...


@runtime_checkable
class CanLocate(Protocol):
    """A platform whose processes are to be seen in this machine's /proc."""

    async def leader(self, instance: Instance) -> ProcessId | None:
        """The first process of an instance now; None for one that is down. Raises NotExercised where it runs elsewhere."""
        ...


@runtime_checkable
class Declares(Protocol):
    """A platform that knows what the stack file promises, and what became of it."""

    def declared(self) -> Mapping[str, Declaration]:
        """By service."""
        ...

    async def actual(self, instance: Instance) -> Actual:
        """Read from the system itself. Raises PlatformError for an instance that is down."""
        ...
