"""keeper.jsonl: what a trial owns, written before it is owned. One writer at a time: the keeper, then `undo`.

Each line is an object with `event`, `at_ns` (CLOCK_MONOTONIC), `wall` (UTC) and the event's own fields. Events:

- ``keeper``: a keeper began; its process, the pid namespace, the user, the socket that it listens on
- ``intent``: what will be done next (started, run, killed, paused, claimed, ended ...), on disk before it is done
- ``process``: a process that is the trial's: unit, part (leader, descendant, adopted, stray), boot, pid, started
- ``left``: a leader ended, with its exit status; ``state``: a unit's new state
- ``directory``, ``port``, ``locks``: claimed; a directory with device and inode
- ``memory``: shared memory of the trial's processes, a SysV segment or a file in /dev/shm; and which files were there earlier
- ``remedy``: commands that undo a deed, on disk before it is done, with the process that it ends with; ``settled``: needed no more
- ``lease``: the owner went, or fell silent; ``heal``: a pause or hold that was ended for it
- ``end``: everything was ended, with what remains; ``undo``: the same, by `undo`

Environments and arguments are never written: of a command line, the program alone. Remedies are written whole: no secret is among them.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue

RECORDS_FILE = "keeper.jsonl"
COMMAND = "command"  # how units of commands are called, with their program


class RecordsLockedError(SupervisorError):
    """Another process writes these records: a keeper or an `undo` is alive."""


class Records:
    """The one writer of a trial's records; holds a lock on the file for as long as it lives."""

    def __init__(self, directory: Path) -> None:
        """Open for appending. Raises RecordsLockedError if someone else does, SupervisorError if it cannot be written."""
        path = directory / RECORDS_FILE
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SupervisorError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise RecordsLockedError(
                f"{path} is being written by another process: the trial has a live keeper"
            ) from error
        self._relaxed = False
        self._end_torn_line()

    def relax(self) -> None:
        """From now on a record that cannot be written (a full disk) is no error: what is broken must still be healed."""
        self._relaxed = True

    def write(self, event: str, *, sync: bool = False, **fields: object) -> None:
        """Append one record; with `sync` it is on disk when this returns. Raises SupervisorError if it could not be."""
        self.append(event, fields, sync=sync)

    def append(self, event: str, fields: Mapping[str, object], *, sync: bool = False) -> None:
        """As `write`, with the fields in a mapping."""
        record = {
            "event": event,
            "at_ns": time.monotonic_ns(),
            "wall": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **fields,
        }
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            if sync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            problem = f"cannot write {RECORDS_FILE}: {error.strerror}"
            if not self._relaxed:
                raise SupervisorError(problem) from error
            complain(problem)

    def process(self, process: ProcessId, *, unit: str, part: str, parent: int | None = None) -> None:
        """Record that a process is the trial's."""
        fields = {"unit": unit, "part": part, **as_fields(process)}
        self.append("process", fields if parent is None else {**fields, "parent": parent})

    def close(self) -> None:
        """Give the file to the next writer."""
        os.close(self._descriptor)

    def _end_torn_line(self) -> None:
        # A writer that was killed while writing leaves half a line; ours must not continue it.
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")


def complain(problem: str | BaseException) -> None:
    """Write to the keeper's log, if that is possible."""
    text = problem if isinstance(problem, str) else "".join(traceback.format_exception(problem))
    with suppress(OSError):
        sys.stderr.write(f"{text.rstrip()}\n")
        sys.stderr.flush()


def read_records(directory: Path) -> Iterator[Mapping[str, object]]:
    """The records of a trial in order; torn lines are left out, and an absent file has none."""
    try:
        raw = (directory / RECORDS_FILE).read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SupervisorError(f"cannot read {directory / RECORDS_FILE}: {error.strerror}") from error
    for line in raw.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("event"), str):
            yield record


def as_fields(process: ProcessId) -> dict[str, object]:
    """A process as fields of a record or message."""
    return {"boot": process.boot, "pid": process.pid, "started": process.started}


def process_in(record: Mapping[str, object]) -> ProcessId | None:
    """The process that a record or message names, if it does."""
    match record:
        case {"boot": str(boot), "pid": int(pid), "started": int(started)}:
            return ProcessId(boot=boot, pid=pid, started=started)
    return None


def residue_fields(residue: Residue) -> dict[str, object]:
    """A residue as fields of a record or message."""
    return {
        "processes": list(residue.processes),
        "ports": list(residue.ports),
        "directories": list(residue.directories),
        "memory": list(residue.memory),
        "others": list(residue.others),
    }
