"""An instance of a local stack: how it is started, what is known of it, and how it is shown."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import PlatformError
from ..core.observations import Reach
from ..core.processes import ProcessId, Surroundings, UnitOrder, UnitState, UnitStatus
from ..core.stack import FileBlueprint, Instance, InstanceBlueprint, InstanceState
from .expansion import Part
from .inspection import identity_of

Run = tuple[ProcessId, int]  # a process since when: a new one begins with every start, and after every pause
_DOWN = (UnitState.BACKING_OFF, UnitState.HELD, UnitState.ENDED)


@dataclass(kw_only=True, eq=False)
class Copy:
    """One copy of a service.

    `ready_run` is the run that was seen to be ready; `last_seen` what the last attempt of the readiness check showed.
    """

    part: Part
    blueprint: InstanceBlueprint
    ordinal: int
    surroundings: Surroundings
    output: Path  # standard output and error
    host: Copy | None = None  # in whose process it lives
    status: UnitStatus | None = None
    ready_run: Run | None = None
    last_seen: str = ""
    shown: Instance | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    first_ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """service#1"""
        return self.blueprint.name

    @property
    def log(self) -> Path:
        """Where it says what it does."""
        return self.blueprint.log or self.output

    @property
    def run(self) -> Run | None:
        """The present run, if it runs."""
        status = self.status
        if status is None or status.state is not UnitState.RUNNING or status.process is None:
            return None
        return status.process, status.since_ns

    @property
    def ready(self) -> bool:
        """Whether the present run was seen to be ready."""
        return self.run is not None and self.run == self.ready_run

    @property
    def reach(self) -> Reach:
        """What a probe is pointed at."""
        return Reach(
            name=self.name,
            service=self.part.name,
            kind=self.part.blueprint.kind,
            endpoints=self.blueprint.endpoints,
            parameters=self.part.blueprint.parameters,
            instance=self.instance(),
        )

    def learn(self, status: UnitStatus) -> None:
        """Take over a status, unless a newer one is known: they arrive by several ways."""
        if self.status is None or status.since_ns >= self.status.since_ns:
            self.status = status

    def instance(self) -> Instance:
        """As the platform shows it now."""
        status = self.status
        return Instance(
            name=self.name,
            service=self.part.name,
            ordinal=self.ordinal,
            state=self._state(),
            ready=self.ready,
            endpoints=self.blueprint.endpoints,
            identity=identity_of(status.process) if status and status.process else None,
            restarts=status.restarts if status else 0,
            since_ns=status.since_ns if status else 0,
            detail=self.detail(),
        )

    def detail(self) -> str:
        """Why it is not ready, as far as known; empty for one that is."""
        status = self.status
        if status is None:
            return "not started"
        ended = ended_with(status.exit_status)
        match status.state:
            case UnitState.BACKING_OFF:
                return f"{ended}; backing off before it is started again (restarted {status.restarts} times)"
            case UnitState.HELD:
                return f"held down; {ended}"
            case UnitState.ENDED:
                return f"{ended}; not restarted"
            case UnitState.PAUSED:
                return "paused"
        return "" if self.ready else self.last_seen

    def order(self) -> UnitOrder:
        """What the supervisor is told to run."""
        blueprint = self.blueprint
        return UnitOrder(
            name=self.name,
            argv=tuple(blueprint.argv),
            surroundings=self.surroundings,
            log=self.output,
            restart=blueprint.restart,
            backoff_ns=blueprint.backoff_ns,
            backoff_max_ns=blueprint.backoff_max_ns,
            stop_signal=blueprint.stop_signal,
            stop_timeout_ns=blueprint.stop_timeout_ns,
        )

    def _state(self) -> InstanceState:
        status = self.status
        if status is None or status.state in _DOWN:
            return InstanceState.DOWN
        if status.state is UnitState.PAUSED:
            return InstanceState.PAUSED
        return InstanceState.RUNNING if self.ready else InstanceState.STARTING


def ended_with(exit_status: int | None) -> str:
    """How a process ended, for people."""
    if exit_status is None:
        return "has not run"
    return f"ended by signal {-exit_status}" if exit_status < 0 else f"ended with exit status {exit_status}"


def make_copies(part: Part, *, homes: Path, logs: Path, hosts: Mapping[str, str]) -> list[Copy]:
    """The instances of a part, not started."""
    copies = []
    for ordinal, blueprint in enumerate(part.blueprint.instances, 1):
        file_name = f"{part.name}-{ordinal}"
        surroundings = Surroundings(
            directory=blueprint.directory,
            environment={**_base_environment(homes / file_name), **blueprint.environment},
            unprivileged=blueprint.unprivileged,
            hosts=hosts,
        )
        copies.append(
            Copy(
                part=part,
                blueprint=blueprint,
                ordinal=ordinal,
                surroundings=surroundings,
                output=logs / f"{file_name}.log",
            )
        )
    return copies


def search_path() -> str:
    """PATH of everything that is started: the running interpreter's directory comes first, so that ``python`` is it."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def make_places(copy: Copy, trial: Path) -> None:
    """Make an instance's directories and write its files. Raises PlatformError naming what could not be made."""
    home, directory = Path(copy.surroundings.environment["HOME"]), copy.blueprint.directory
    try:
        if home.is_relative_to(trial):
            _make_home(home, for_anybody=copy.blueprint.unprivileged)
        if directory.is_relative_to(trial):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in copy.blueprint.files:
            _write(file)
    except OSError as error:
        raise PlatformError(f"{copy.name} cannot be started: {error.filename}: {error.strerror}") from error
    if not directory.is_dir():
        raise PlatformError(f"{copy.name} cannot be started: its directory {directory} does not exist")


def _base_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": search_path(),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _make_home(home: Path, *, for_anybody: bool) -> None:
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    if for_anybody:
        # Where root can only be dropped by becoming another user, that user must be able to write here.
        for place, mode in ((home.parent, 0o711), (home, 0o777), (home / "tmp", 0o777)):
            place.chmod(mode)


def _write(file: FileBlueprint) -> None:
    file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, file.mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, file.mode)  # also where it was there already, and whatever the umask
        stream.write(file.content)
