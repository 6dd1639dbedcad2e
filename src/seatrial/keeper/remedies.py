"""Remedies: commands that undo what was done to a running system and does not end with a process of the trial.

A rule in a network namespace, a limit of a container, a pause, a project of containers. Recorded before the deed; run, last first, when the
trial is ended, when whoever ordered the deed goes, or by `undo`, unless they were settled before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId

from .records import Records, as_fields, process_in

TIMEOUT_S = 60.0  # a project of containers has to stop in it
_LINES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedy:
    """`commands` undo it, in order; they are void once `guard` is gone. `watch`: those that wait for what may still be on its way, side by
    side with those of others; where there are any, what they say is what has become of it. `peer`: who ordered the deed, and with whom it
    ends, in the keeper that knows it; None: it ends with the trial alone.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    watch: tuple[tuple[str, ...], ...] = ()
    guard: ProcessId | None = None
    peer: object = None

    @property
    def void(self) -> bool:
        """What it would undo has ended with its process."""
        return self.guard is not None and not procfs.is_alive(self.guard)


class Remedies:
    """Those that are not settled yet, by name, oldest first."""

    def __init__(self) -> None:
        self._open: dict[str, Remedy] = {}

    @classmethod
    def recorded(cls, records: Iterable[Mapping[str, object]]) -> Remedies:
        """Those that records tell of, and that nobody settled."""
        remedies = cls()
        for record in records:
            match record:
                case {"event": "remedy", "name": str(name), "commands": list(commands)}:
                    watch = record.get("watch")
                    remedies._open[name] = Remedy(
                        name=name,
                        commands=lines(commands),
                        watch=lines(watch if isinstance(watch, list) else []),
                        guard=process_in(record),
                    )
                case {"event": "settled", "name": str(name)}:
                    remedies._open.pop(name, None)
        return remedies

    def add(self, remedy: Remedy, records: Records) -> None:
        """Record one, on disk when this returns. Raises SupervisorError for a name that is taken."""
        if remedy.name in self._open:
            raise SupervisorError(f"there is a remedy called {remedy.name!r} already")
        guard = as_fields(remedy.guard) if remedy.guard is not None else {}
        watch = {"watch": [list(argv) for argv in remedy.watch]} if remedy.watch else {}
        fields = {"name": remedy.name, "commands": [list(argv) for argv in remedy.commands], **watch, **guard}
        records.append("remedy", fields, sync=True)
        self._open[remedy.name] = remedy

    def settle(self, name: str, records: Records) -> None:
        """It is needed no more. One that is not known was settled before."""
        if self._open.pop(name, None) is not None:
            records.write("settled", name=name)

    def get(self, name: str) -> Remedy | None:
        """One that is not settled."""
        return self._open.get(name)

    def newest_first(self) -> Iterator[Remedy]:
        """All that are not settled."""
        return iter([*reversed(self._open.values())])

    def of(self, peer: object) -> Iterator[Remedy]:
        """Those that somebody ordered, newest first."""
        return (remedy for remedy in self.newest_first() if remedy.peer is peer)


def lines(commands: Iterable[Iterable[object]]) -> tuple[tuple[str, ...], ...]:
    """Command lines as they were written down."""
    return tuple(tuple(str(word) for word in argv) for argv in commands)


def failure(argv: Sequence[str], status: int, said: str) -> str:
    """What a command that ended so did not do, in its own last words."""
    lines = [line.strip() for line in said.splitlines() if line.strip()][-_LINES:]
    return "; ".join(lines) or f"{argv[0]} ended with status {status}"
