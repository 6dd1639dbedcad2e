"""`undo`: end what a trial left behind when seatrial and its keeper are both gone. It trusts keeper.jsonl alone."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue, UnitStatus
from seatrial.core.quantities import NS_PER_S

from .claims import Claims
from .client import last_keeper
from .memory import Memory
from .records import COMMAND, RECORDS_FILE, Records, RecordsLockedError, process_in, read_records, residue_fields
from .remedies import TIMEOUT_S, Remedies, Remedy, failure
from .signals import POLL_S, describe, freezing, kill_trees, living, send
from .wire import decode, encode, read_status

_ANSWER_S = 4.0
_END_S = 60.0
_ENDING_NS = 60 * NS_PER_S
_LOCK_NS = 10 * NS_PER_S
_AT_ONCE = 32  # of what is watched


class LiveTrialError(SupervisorError):
    """There is nothing to undo: the trial's keeper is alive and well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UndoReport:
    """What `undo` did for one trial. `by_keeper`: its keeper did the work.

    `refused` says why it did nothing; `live`: because its keeper is alive and well, and goes on.
    """

    directory: Path
    ended: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()  # remedies
    residue: Residue = field(default_factory=Residue)
    by_keeper: bool = False
    refused: str = ""
    live: bool = False

    @property
    def clean(self) -> bool:
        """Nothing is left."""
        return not self.residue and not self.refused


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnedTrial:
    """A trial with a live keeper. `owned`: someone holds its lease now; `kept`: it lives on without."""

    directory: Path
    keeper: ProcessId
    kept: bool
    owned: bool
    ending: bool
    units: tuple[UnitStatus, ...]


def undo(directory: Path, *, force: bool = False) -> UndoReport:
    """End all processes that the trial's records name, with their descendants, and remove its directories.

    A process is signalled only if boot id, pid and start time are those recorded. Safe to repeat. Where the trial's
    keeper is alive and well nothing is done and LiveTrialError is raised, unless `force` asks the keeper to end; one
    that is ending is waited for; one that does not answer is ended first.
    """
    directory = directory.resolve()
    if not (directory / RECORDS_FILE).exists():
        return UndoReport(directory=directory)
    by_keeper = _settle_with_keeper(directory, force)
    records = _lock(directory)
    records.relax()
    try:
        report = _undo(directory, records, by_keeper)
    finally:
        records.close()
    return report


def undo_all(root: Path, *, force: bool = False) -> tuple[UndoReport, ...]:
    """`undo` for every trial directory under `root`; trials with a live keeper are reported as refused."""
    reports = []
    for directory in _trials(root):
        try:
            reports.append(undo(directory, force=force))
        except SupervisorError as error:
            live = isinstance(error, LiveTrialError)
            reports.append(UndoReport(directory=directory, refused=str(error), live=live))
    return tuple(reports)


def list_owned(root: Path) -> tuple[OwnedTrial, ...]:
    """The trials under `root` whose keeper is alive and answers."""
    owned = []
    for directory in _trials(root):
        with suppress(SupervisorError, OSError):
            path, keeper, _ = last_keeper(directory)
            if procfs.is_alive(keeper):
                answer = _ask(path, "status", {}, _ANSWER_S)
                owned.append(
                    OwnedTrial(
                        directory=directory,
                        keeper=keeper,
                        kept=answer["kept"],
                        owned=answer["owned"],
                        ending=answer["ending"],
                        units=tuple(read_status(unit) for unit in answer["units"]),
                    )
                )
    return tuple(owned)


def _trials(root: Path) -> Sequence[Path]:
    """Directories with records, `root` itself or in it; links (``latest``) are not followed."""
    if not root.is_dir():
        return ()
    candidates = (root, *(path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()))
    return [path.resolve() for path in candidates if (path / RECORDS_FILE).exists()]


# -- a keeper that is alive


def _settle_with_keeper(directory: Path, force: bool) -> bool:
    """Whether a live keeper ended everything itself. Raises LiveTrialError if it is well and goes on."""
    try:
        path, keeper, _ = last_keeper(directory)
    except SupervisorError:
        return False
    if not procfs.is_alive(keeper):
        return False
    patience_ns = NS_PER_S
    with suppress(OSError):  # it may be ending just now, or be beyond answering
        answer = _ask(path, "status", {}, _ANSWER_S)
        patience_ns = _ENDING_NS
        if not answer["ending"]:
            if not force:
                state = "is kept: end it with `seatrial down`" if answer["kept"] else "is running"
                raise LiveTrialError(
                    f"{directory} {state} (its keeper, pid {keeper.pid}, is alive); nothing was undone"
                )
            _ask(path, "end", {"keep_directories": False, "force": False}, _END_S)
    if _ends_by(keeper, time.monotonic_ns() + patience_ns):
        return True
    # Stopped or stuck: its records do its work. It goes first, or it would start units again.
    send(keeper, signal.SIGKILL)
    _ends_by(keeper, time.monotonic_ns() + _LOCK_NS)
    return False


def _ends_by(process: ProcessId, deadline_ns: int) -> bool:
    while procfs.is_alive(process):
        if time.monotonic_ns() > deadline_ns:
            return False
        time.sleep(POLL_S)
    return True


def _ask(path: str, name: str, arguments: Mapping[str, object], timeout_s: float) -> Any:
    """One request to a keeper. Raises OSError (TimeoutError too) if it does not answer, SupervisorError if it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(encode({"id": 1, "do": name, "with": arguments}))
        with connection.makefile("rb") as lines:
            for line in lines:
                message = decode(line)
                if message.get("id") == 1:
                    if "error" in message:
                        raise SupervisorError(message["error"])
                    return message["ok"]
    raise ConnectionError("the keeper closed the connection")


def _lock(directory: Path) -> Records:
    """Take the records over from a keeper that has just ended, or another undo that is about to."""
    deadline_ns = time.monotonic_ns() + _LOCK_NS
    while True:
        try:
            return Records(directory)
        except RecordsLockedError:
            if time.monotonic_ns() > deadline_ns:
                raise
            time.sleep(POLL_S)


# -- by the records


def _undo(directory: Path, records: Records, by_keeper: bool) -> UndoReport:
    known = list(read_records(directory))
    claims = Claims.recorded(known)
    remedies = list(Remedies.recorded(known).newest_first())
    ours = _recorded_here(known)
    alive = living(ours)
    names = {process.pid: describe(process) for process in alive}
    if alive:
        records.write("intent", sync=True, act="undo", processes=sorted(names))
    found: dict[int, ProcessId] = {process.pid: process for process in procfs.descendants(alive)}
    names.update((pid, describe(process)) for pid, process in found.items() if pid not in names)
    sockets = claims.listening(found.values())
    caught: dict[int, ProcessId] = {}
    kill_trees(living(_commands_here(known)), caught)  # one may be doing just now what is undone next
    failures = _remedied(remedies, records)
    alive = living(ours)
    for _ in freezing(alive, caught):
        time.sleep(POLL_S)
    memory = Memory.recorded(known)
    memory.note(list(caught.values()), records, files=True)
    kill_trees(alive, caught)
    left = living({**found, **caught}.values())
    removed, remaining = ([], []) if _ended_kept(known) else claims.remove_directories(directory, sure=False)
    _remove_socket(known)
    remaining += claims.give_back_locks(_recorded_here(known, "keeper"))
    residue = Residue(
        processes=tuple(describe(process) for process in left),
        ports=claims.still_listening(sockets | claims.listening(left)),
        directories=tuple(remaining),
        memory=tuple(memory.remove()),
        others=tuple(filter(None, failures)),
    )
    ended = tuple(names.get(pid, f"pid {pid}") for pid, process in caught.items() if process not in left)
    undone = tuple(remedy.name for remedy, why in zip(remedies, failures, strict=True) if not why)
    if ended or undone or removed or residue or not by_keeper:
        fields = {"ended": list(ended), "removed": removed, "undone": list(undone), **residue_fields(residue)}
        records.append("undo", fields, sync=True)
    return UndoReport(
        directory=directory,
        ended=ended,
        removed=tuple(removed),
        undone=undone,
        residue=residue,
        by_keeper=by_keeper,
    )


def _remedied(remedies: Sequence[Remedy], records: Records) -> list[str]:
    """Undo deeds and settle them, in this order but for what they have to watch; of each what could not be undone and why, or nothing."""
    found = [_failures(remedy, remedy.commands) for remedy in remedies]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        watched = list(pool.map(lambda one: _failures(one, one.watch), remedies))
    said = []
    for remedy, before, last in zip(remedies, found, watched, strict=True):
        failures = last if remedy.watch else before
        if failures and not remedy.void:
            said.append(f"{remedy.name}: {'; '.join(failures)}")
        else:
            records.write("settled", name=remedy.name)
            said.append("")
    return said


def _failures(remedy: Remedy, commands: Iterable[Sequence[str]]) -> list[str]:
    failures = []
    for argv in commands:
        if remedy.void:
            break
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            failures.append(f"{argv[0]} did not end")
        except OSError as error:
            failures.append(f"{argv[0]}: {error.strerror}")
        else:
            if done.returncode != 0:
                failures.append(failure(argv, done.returncode, done.stderr))
    return failures


def _recorded_here(known: Iterable[Mapping[str, object]], event: str = "process") -> list[ProcessId]:
    """Recorded processes (or keepers) whose pids mean something here: recorded in this pid namespace (containers share a boot id)."""
    here = procfs.pid_namespace()
    found: dict[ProcessId, None] = {}
    namespace = here
    for record in known:
        if record["event"] == "keeper":
            namespace = str(record.get("pid_namespace", here))
        if record["event"] == event and namespace == here and (process := process_in(record)) is not None:
            found[process] = None
    return list(found)


def _commands_here(known: Iterable[Mapping[str, object]]) -> list[ProcessId]:
    """Recorded processes of commands, likewise."""
    return _recorded_here(r for r in known if r["event"] == "keeper" or str(r.get("unit")).split(" ")[0] == COMMAND)


def _ended_kept(known: Iterable[Mapping[str, object]]) -> bool:
    """Whether the trial was ended in order with its directories kept on purpose."""
    kept = False
    for record in known:
        if record["event"] == "keeper":
            kept = False
        elif record["event"] == "end":
            kept = bool(record.get("kept"))
    return kept


def _remove_socket(known: Iterable[Mapping[str, object]]) -> None:
    for record in known:
        path = record.get("socket")
        if not isinstance(path, str) or not Path(path).name.startswith("seatrial-"):
            continue
        with suppress(OSError):
            status = Path(path).lstat()
            if stat.S_ISSOCK(status.st_mode) and status.st_uid == os.geteuid():
                Path(path).unlink()
