"""The other side: starts a keeper or attaches to one, and speaks for whoever owns the trial."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import CommandResult, ProcessId, Residue, Surroundings, UnitOrder, UnitStatus
from seatrial.core.quantities import NS_PER_S, format_duration

from .household import wait_until
from .records import as_fields, process_in, read_records
from .wire import (
    HEARTBEAT_LIMIT_NS,
    HEARTBEAT_NS,
    LINE_BYTES,
    Message,
    decode,
    encode,
    read_residue,
    read_result,
    read_status,
    write_order,
    write_surroundings,
)

KEEPER_LOG = "keeper.log"
_BEGIN_S = 15.0
_GONE_NS = 2 * NS_PER_S
_GIVEN_UP_S = 6.0  # a little longer than the keeper gives it
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")


class _Changes:
    """Changes of units from its making on; ends when the connection is closed, fails when it is lost."""

    def __init__(self, client: KeeperClient) -> None:
        self._client = client
        self._queue: asyncio.Queue[UnitStatus | None] = asyncio.Queue()

    def put(self, status: UnitStatus | None) -> None:
        self._queue.put_nowait(status)

    def __aiter__(self) -> _Changes:
        return self

    async def __anext__(self) -> UnitStatus:
        status = await self._queue.get()
        if status is None:
            self.put(None)
            if self._client.lost is not None and not self._client.over:
                raise SupervisorError(self._client.lost)
            raise StopAsyncIteration
        return status


class KeeperClient:
    """A connection to a keeper; implements `Supervisor`.

    Made by `launch` it holds the lease: when it is closed, or its process ends or is silent for the heartbeat limit,
    the keeper heals and ends everything, unless `keep` was called. Made by `attach` it is a guest: what it holds or
    pauses is released when it goes. Every method raises SupervisorError when it cannot be done or the keeper cannot be
    reached.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, directory: Path, keeper: ProcessId
    ) -> None:
        self.directory = directory
        self.keeper = keeper
        self.lost: str | None = None  # why the keeper is not there any more
        self.over = False  # and whether that was by our own order
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._listeners: WeakSet[_Changes] = WeakSet()
        self._heard_ns = time.monotonic_ns()
        self._tasks = [asyncio.create_task(self._listen())]

    # -- connecting

    @classmethod
    async def launch(cls, directory: Path, *, heartbeat_limit_ns: int = HEARTBEAT_LIMIT_NS) -> KeeperClient:
        """Start a keeper for a trial's directory (made if there is none), and own it."""
        directory = directory.resolve()
        directory.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            starter = _spawn(directory, theirs, heartbeat_limit_ns)
        except OSError as error:
            ours.close()
            raise SupervisorError(f"the keeper cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LINE_BYTES)
        try:
            async with asyncio.timeout(_BEGIN_S):
                line = await reader.readline()
            keeper = _greeting(line, directory)
        except TimeoutError:
            writer.close()
            raise SupervisorError(f"the keeper did not start within {_BEGIN_S:.0f}s") from None
        except BaseException:
            writer.close()
            raise
        finally:
            # It ends as soon as the keeper has left it.
            await asyncio.to_thread(starter.wait)
        client = cls(reader, writer, directory, keeper)
        client._beat_every(min(HEARTBEAT_NS, heartbeat_limit_ns // 4))
        return client

    @classmethod
    async def attach(cls, directory: Path) -> KeeperClient:
        """Connect to the live keeper of a trial's directory."""
        directory = directory.resolve()
        path, keeper, limit_ns = last_keeper(directory)
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES)
        except OSError as error:
            raise SupervisorError(f"no keeper answers for {directory}: {error.strerror}") from error
        client = cls(reader, writer, directory, keeper)
        client._beat_every(min(HEARTBEAT_NS, limit_ns // 4))
        return client

    async def close(self) -> None:
        """Go away. An owner's keeper then ends everything, unless it was told to `keep`; nobody waits for that here."""
        self.over = True
        self._writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(OSError):
            await self._writer.wait_closed()
        self._fail("the connection to the keeper was closed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- Supervisor

    async def start(self, order: UnitOrder) -> UnitStatus:
        """Start and supervise a unit; fails if its program cannot be executed."""
        return read_status(await self._ask("start", write_order(order)))

    async def run(
        self, argv: Sequence[str], surroundings: Surroundings, timeout_ns: int, stdin: str = "", *, grace_ns: int = 0
    ) -> CommandResult:
        """Run a command to its end; at most 4 MiB of each output are kept. Cancelled, it is killed, and gone when this returns.

        `grace_ns`: when its time is over it is sent SIGINT, and killed so much later.
        """
        arguments = {
            "argv": [str(word) for word in argv],
            "surroundings": write_surroundings(surroundings),
            "timeout_ns": timeout_ns,
            "grace_ns": grace_ns,
            "stdin": stdin,
        }
        return read_result(await self._ask("run", arguments, abandon=True))

    async def signal(self, name: str, signal: int) -> UnitStatus:
        """Send a signal to every process of a unit, leader last."""
        return read_status(await self._ask("signal", {"name": name, "signal": int(signal)}))

    async def kill(self, name: str, hold_ns: int | None) -> UnitStatus:
        """SIGKILL a unit; all of it is gone when this returns."""
        return read_status(await self._ask("kill", {"name": name, "hold_ns": hold_ns}))

    async def stop(self, name: str, hold_ns: int | None) -> UnitStatus:
        """End a unit in order; all of it is gone when this returns."""
        return read_status(await self._ask("stop", {"name": name, "hold_ns": hold_ns}))

    async def release(self, name: str) -> UnitStatus:
        """End a hold or a pause; the unit runs when this returns."""
        return read_status(await self._ask("release", {"name": name}))

    async def pause(self, name: str) -> UnitStatus:
        """Stop all processes of a unit where they are; they have stopped when this returns."""
        return read_status(await self._ask("pause", {"name": name}))

    async def confine(self, name: str, now: Sequence[Path], later: Sequence[Path]) -> None:
        """Put a unit into control groups: all of it that there is, and all that there will be."""
        groups = {"now": [str(path) for path in now], "later": [str(path) for path in later]}
        await self._ask("confine", {"name": name, **groups})

    async def statuses(self) -> Mapping[str, UnitStatus]:
        """All units by name, in the order of their start."""
        answer = await self._ask("status", {})
        return {unit["name"]: read_status(unit) for unit in answer["units"]}

    def changes(self) -> AsyncIterator[UnitStatus]:
        """Every change of a unit's state from this call on, whenever it is read."""
        changes = _Changes(self)
        self._listeners.add(changes)
        if self.lost is not None:
            changes.put(None)
        return changes

    async def claim(
        self, *, directories: Sequence[Path] = (), ports: Sequence[int] = (), locks: Sequence[Path] = ()
    ) -> None:
        """Claim directories (made if there are none), ports, and the keeper's locks in directories of them.

        Fails for a port that someone else listens on.
        """
        arguments = {
            "directories": [str(path) for path in directories],
            "ports": list(ports),
            "locks": [str(path) for path in locks],
        }
        await self._ask("claim", arguments)

    async def adopt(self, pid: int, purpose: str) -> None:
        """Own a process that was started elsewhere, with its descendants."""
        await self._ask("adopt", {"pid": pid, "purpose": purpose})

    async def remedy(
        self,
        name: str,
        argv: Sequence[Sequence[str]],
        guard: ProcessId | None = None,
        *,
        stays: bool = False,
        watch: Sequence[Sequence[str]] = (),
    ) -> None:
        """Have a deed undone by these commands, whatever ends this trial or, unless it `stays`, this client; on disk when this returns."""
        commands, watches = ([[str(word) for word in one] for one in some] for some in (argv, watch))
        guarded = as_fields(guard) if guard is not None else None
        arguments = {"name": name, "commands": commands, "watch": watches, "guard": guarded, "stays": stays}
        await self._ask("remedy", arguments)

    async def settle(self, name: str, *, run: bool = True) -> None:
        """Have it undone now. Fails, and keeps the remedy, when a command of it fails."""
        await self._ask("settle", {"name": name, "run": run})

    async def end(self, *, keep_directories: bool = False, force: bool = False) -> Residue:
        """End everything, and the keeper with it. `force` waits for nobody; a second call with it hastens the first."""
        residue = read_residue(await self._ask("end", {"keep_directories": keep_directories, "force": force}))
        self.over = True
        await wait_until(lambda: not procfs.is_alive(self.keeper), time.monotonic_ns() + _GONE_NS)
        return residue

    async def keep(self) -> None:
        """Let the keeper and its units live on when this client goes; only `end` ends them from now on."""
        await self._ask("keep", {})

    # -- the connection

    async def _ask(self, name: str, arguments: Message, *, abandon: bool = False) -> Any:
        if self.lost is not None:
            raise SupervisorError(self.lost)
        self._number += 1
        number = self._number
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(encode({"id": number, "do": name, "with": arguments}))
        try:
            return await (asyncio.shield(answer) if abandon else answer)
        except asyncio.CancelledError:
            if abandon and self.lost is None:
                self._writer.write(encode({"do": "abandon", "with": {"id": number}}))
                await asyncio.wait({answer}, timeout=_GIVEN_UP_S)  # what it did may have to be undone next
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody else asks for it
            raise
        finally:
            self._answers.pop(number, None)

    async def _listen(self) -> None:
        why = "the keeper has ended"
        try:
            while line := await self._reader.readline():
                self._heard_ns = time.monotonic_ns()
                message = decode(line)
                if message.get("event") == "parted":
                    why = f"the keeper has let go: {message['why']}"
                    break
                self._take(message)
        except (OSError, ValueError) as error:
            why = f"the connection to the keeper broke: {error}"
        self._fail(_recorded_loss(self.directory) or why)
        self._writer.close()

    def _take(self, message: Message) -> None:
        if message.get("event") == "unit":
            status = read_status(message["unit"])
            for changes in list(self._listeners):
                changes.put(status)
            return
        answer = self._answers.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(SupervisorError(message["error"]))
        else:
            answer.set_result(message["ok"])

    def _fail(self, why: str) -> None:
        if self.lost is None:
            self.lost = why if self.over else f"{why} ({self.directory / KEEPER_LOG} may say more)"
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SupervisorError(self.lost))
        for changes in list(self._listeners):
            changes.put(None)

    def _beat_every(self, interval_ns: int) -> None:
        self._tasks.append(asyncio.create_task(self._beat(interval_ns)))

    async def _beat(self, interval_ns: int) -> None:
        """Say that we live, and notice a keeper that does not: each beat is answered."""
        while self.lost is None:
            self._number += 1
            self._writer.write(encode({"id": self._number, "do": "beat"}))
            await asyncio.sleep(interval_ns / NS_PER_S)
            if time.monotonic_ns() - self._heard_ns > max(HEARTBEAT_LIMIT_NS, 4 * interval_ns):
                self._fail(f"the keeper has not answered for {format_duration(HEARTBEAT_LIMIT_NS)}")


def last_keeper(directory: Path) -> tuple[str, ProcessId, int]:
    """Socket, process and heartbeat limit of the keeper that last began for a trial. Raises SupervisorError if none did."""
    found = None
    for record in read_records(directory):
        if record["event"] == "keeper":
            found = record
    process = process_in(found) if found else None
    if found is None or process is None:
        raise SupervisorError(f"no keeper was ever started for {directory}")
    limit = found.get("heartbeat_limit_ns")
    return str(found.get("socket")), process, limit if isinstance(limit, int) else HEARTBEAT_LIMIT_NS


def _recorded_loss(directory: Path) -> str:
    """Why the lease was taken, if it was: the keeper's parting word is lost when we were writing just then."""
    why = ""
    with suppress(SupervisorError):
        for record in read_records(directory):
            if record["event"] in ("keeper", "lease"):
                why = f"the keeper has let go: {record['lost']}" if "lost" in record else ""
    return why


def _spawn(directory: Path, theirs: socket.socket, limit_ns: int) -> subprocess.Popen[bytes]:
    # Not the whole environment: what it may hold of secrets is no business of a process that lives on.
    environment = {
        key: value for key, value in os.environ.items() if key in _INHERITED or key.startswith(("PYTHON", "XDG_"))
    }
    if _PACKAGE_ROOT.name not in ("site-packages", "dist-packages"):
        searched = [str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(searched)
    with (directory / KEEPER_LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "seatrial.keeper", str(directory), str(theirs.fileno()), str(limit_ns)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            cwd="/",
            env=environment,
        )


def _greeting(line: bytes, directory: Path) -> ProcessId:
    message = decode(line) if line else {}
    keeper = process_in(message.get("keeper") or {})
    if message.get("event") == "ready" and keeper is not None:
        return keeper
    why = message.get("why") or _tail(directory / KEEPER_LOG) or "it ended without a word"
    raise SupervisorError(f"the keeper did not start: {why}")


def _tail(path: Path) -> str:
    with suppress(OSError):
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-5:])
    return ""
