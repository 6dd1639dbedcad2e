"""The keeper at work: whoever holds its lease, what they ask, and the end of it all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from seatrial import __version__
from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue, UnitStatus
from seatrial.core.quantities import NS_PER_S, format_duration

from .commands import run_command, run_remedies, run_remedy
from .ending import end_everything
from .household import Group, wait_until
from .means import Means
from .records import Records, as_fields, complain, process_in, residue_fields
from .remedies import Remedy, lines
from .units import Unit
from .wire import (
    LINE_BYTES,
    Message,
    decode,
    encode,
    read_order,
    read_surroundings,
    write_result,
    write_status,
)

_LOOK_S = 0.15
_LOOK_SHARE = 50  # a look may cost a fiftieth of the time between looks
_FORCED_LOOK_S = 1.0
_BACKLOG_BYTES = 16 << 20
_FLUSH_S = 2.0
_UNDONE_NS = 60 * NS_PER_S
_FLUSH_NS = NS_PER_S

Operation = Callable[["Peer", Message], Awaitable[object]]


class Peer:
    """A client on the other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, owner: bool) -> None:
        self.reader = reader
        self.writer = writer
        self.owner = owner
        self.heard_ns = time.monotonic_ns()
        self.works: set[asyncio.Task[None]] = set()
        self.commands: dict[int, asyncio.Task[None]] = {}  # the works that end with whoever wanted them
        peer_socket = writer.get_extra_info("socket")
        credentials = peer_socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.pid, self.user, _ = struct.unpack("3i", credentials)

    def send(self, message: Message) -> None:
        """Send without waiting; one that does not read is cut off rather than remembered for."""
        transport = self.writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _BACKLOG_BYTES:
            transport.abort()
            return
        self.writer.write(encode(message))


class Keeper:
    """The owning process of one trial."""

    def __init__(self, directory: Path, records: Records, socket_path: Path, heartbeat_limit_ns: int) -> None:
        self._directory = directory
        self._records = records
        self._socket_path = socket_path
        self._limit_ns = heartbeat_limit_ns
        self._means = Means(directory, records, self._announce)
        self._units: dict[str, Unit] = {}
        self._adopted: dict[int, Group] = {}
        self._peers: set[Peer] = set()
        self._kept = False
        self._ending: asyncio.Task[Residue] | None = None
        self._finished = asyncio.Event()
        self._operations: dict[str, Operation] = {
            "start": self._start,
            "run": self._run,
            "signal": self._signal,
            "kill": self._kill,
            "stop": self._stop,
            "pause": self._pause,
            "release": self._release,
            "confine": self._confine,
            "status": self._status,
            "claim": self._claim,
            "adopt": self._adopt,
            "remedy": self._remedy,
            "settle": self._settle,
            "keep": self._keep,
            "end": self._end,
            "beat": self._beat,
        }

    async def serve(self, owner: socket.socket) -> None:
        """Serve the owner and whoever attaches, until everything has been ended."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._means.reap)
        loop.add_signal_handler(signal.SIGTERM, self._finish, "the keeper was told to end (SIGTERM)")
        for ignored in (signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(ignored, _ignore)
        # Recorded before it is there: a keeper that is killed just then leaves a socket that `undo` knows of.
        self._records.write("intent", sync=True, act="listen", socket=str(self._socket_path))
        server = await asyncio.start_unix_server(self._greet, self._socket_path, limit=LINE_BYTES)
        me = procfs.identify(os.getpid())
        if me is None:
            raise SupervisorError("/proc does not show this process")
        self._records.append(
            "keeper",
            {
                **as_fields(me),
                "pid_namespace": procfs.pid_namespace(),
                "user": os.geteuid(),
                "socket": str(self._socket_path),
                "version": __version__,
                "heartbeat_limit_ns": self._limit_ns,
            },
            sync=True,
        )
        self._means.household.memory.begin(self._records)
        reader, writer = await asyncio.open_unix_connection(sock=owner, limit=LINE_BYTES)
        peer = Peer(reader, writer, owner=True)
        self._watch_process(peer)
        peer.send({"event": "ready", "keeper": as_fields(me), "version": __version__})
        background = [
            asyncio.create_task(work) for work in (self._attend(peer), self._look(), self._listen_for_beats())
        ]
        await self._finished.wait()
        server.close()
        for task in background[1:]:
            task.cancel()
        await self._hang_up()

    # -- peers

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, owner=False)
        if peer.user not in (os.geteuid(), 0):
            writer.close()
            return
        await self._attend(peer)

    async def _attend(self, peer: Peer) -> None:
        self._peers.add(peer)
        why = "the owner went away"
        try:
            while line := await peer.reader.readline():
                peer.heard_ns = time.monotonic_ns()
                self._take(peer, decode(line))
        except (OSError, KeyError, TypeError, ValueError) as error:
            why = f"the owner's connection broke ({error!r})"
        finally:
            self._lose(peer, why)

    def _take(self, peer: Peer, message: Message) -> None:
        number, name = message.get("id"), message.get("do")
        if name == "abandon":
            command = peer.commands.get(int(message["with"]["id"]))
            if command is not None:
                command.cancel()
            return
        if not isinstance(number, int):
            raise ValueError("a request without an id")
        task = asyncio.create_task(self._answer(peer, number, str(name), message.get("with") or {}))
        peer.works.add(task)
        task.add_done_callback(peer.works.discard)
        if name == "run":
            peer.commands[number] = task
            task.add_done_callback(lambda _: peer.commands.pop(number, None))

    async def _answer(self, peer: Peer, number: int, name: str, arguments: Message) -> None:
        answer: Message
        try:
            operation = self._operations.get(name)
            if operation is None:
                raise SupervisorError(f"the keeper has no operation {name!r}")
            answer = {"ok": await operation(peer, arguments)}
        except SupervisorError as error:
            answer = {"error": str(error)}
        except (KeyError, TypeError, ValueError) as error:
            answer = {"error": f"malformed request {name!r}: {error!r}"}
        except asyncio.CancelledError:
            peer.send({"id": number, "error": "it was given up"})  # and has ended
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end the owner of everything
            complain(error)
            answer = {"error": f"the keeper failed at {name!r}: {error!r}"}
        peer.send({"id": number, **answer})

    def _lose(self, peer: Peer, why: str) -> None:
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        # Orders that are under way are carried through: half a kill would leave its unit frozen.
        commands = list(peer.commands.values())
        for command in commands:
            command.cancel()
        peer.send({"event": "parted", "why": why})
        peer.writer.close()
        if self._ending is not None:
            return
        if peer.owner and not self._kept:
            self._records.relax()
            self._records.write("lease", lost=why)
            self._finish(why)
            return
        for unit in self._units.values():
            self._means.spawn(unit.forgive(peer))
        self._means.spawn(self._undo_for(peer, commands))

    def _watch_process(self, peer: Peer) -> None:
        """Notice the owner's end itself: a child that it forked may hold its end of the connection open."""
        try:
            descriptor = os.pidfd_open(peer.pid)
        except OSError:
            return
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._lose(peer, "the owner's process ended")

        loop.add_reader(descriptor, gone)

    async def _listen_for_beats(self) -> None:
        interval_s = min(1.0, self._limit_ns / NS_PER_S / 8)
        last_ns = time.monotonic_ns()
        while True:
            await asyncio.sleep(interval_s)
            now_ns = time.monotonic_ns()
            if now_ns - last_ns > self._limit_ns / 2:
                # The keeper itself did not run (machine stopped, starved): beats may wait unread.
                for peer in self._peers:
                    peer.heard_ns = now_ns
            last_ns = now_ns
            for peer in [peer for peer in self._peers if now_ns - peer.heard_ns > self._limit_ns]:
                self._lose(peer, f"the owner was silent for {format_duration(self._limit_ns)}")

    async def _hang_up(self) -> None:
        """Let the last answers reach those who wait for them."""
        works = [task for peer in self._peers for task in peer.works]
        if works:
            await asyncio.wait(works, timeout=_FLUSH_S)
        for peer in self._peers:
            peer.send({"event": "parted", "why": "the trial was ended"})
        # They hang up first: closing on what they are just writing would make them lose what they have not read.
        await wait_until(lambda: not self._peers, time.monotonic_ns() + _FLUSH_NS)

    def _announce(self, status: UnitStatus) -> None:
        message: Message = {"event": "unit", "unit": write_status(status)}
        for peer in self._peers:
            peer.send(message)

    # -- watching

    async def _look(self) -> None:
        """Take in descendants as they come. Nothing is looked at while no process was started on this machine."""
        last_pid, last_s = -1, 0.0
        while True:
            began_s = time.monotonic()
            pid = procfs.last_pid()
            if pid != last_pid or began_s - last_s > _FORCED_LOOK_S:
                try:
                    self._means.household.look()
                except (OSError, SupervisorError) as error:
                    complain(error)
                last_pid, last_s = pid, began_s
            await asyncio.sleep(max(_LOOK_S, (time.monotonic() - began_s) * _LOOK_SHARE))

    # -- operations

    def _unit(self, arguments: Message) -> Unit:
        name = arguments["name"]
        unit = self._units.get(name)
        if unit is None:
            known = ", ".join(self._units) or "none"
            raise SupervisorError(f"there is no unit {name!r}; units: {known}")
        return unit

    async def _start(self, peer: Peer, arguments: Message) -> Message:
        order = read_order(arguments)
        old = self._units.get(order.name)
        if old is not None:
            if not old.down:
                raise SupervisorError(f"{order.name} exists already, and is {old.status.state}")
            old.retire()
        unit = self._units[order.name] = Unit(order, self._means, None if order.stays else peer)
        try:
            return write_status(await unit.start())
        except SupervisorError:
            if self._units.get(order.name) is unit:
                del self._units[order.name]
            raise

    async def _run(self, _peer: Peer, arguments: Message) -> Message:
        surroundings = read_surroundings(arguments["surroundings"])
        argv = [str(word) for word in arguments["argv"]]
        timeout_ns, stdin, grace_ns = (
            int(arguments["timeout_ns"]),
            str(arguments["stdin"]),
            arguments.get("grace_ns", 0),
        )
        result = await run_command(self._means, argv, surroundings, timeout_ns, stdin, grace_ns=int(grace_ns))
        return write_result(result)

    async def _signal(self, _peer: Peer, arguments: Message) -> Message:
        return write_status(await self._unit(arguments).signal(int(arguments["signal"])))

    async def _kill(self, peer: Peer, arguments: Message) -> Message:
        return write_status(await self._unit(arguments).kill(arguments["hold_ns"], peer))

    async def _stop(self, peer: Peer, arguments: Message) -> Message:
        return write_status(await self._unit(arguments).stop(arguments["hold_ns"], peer))

    async def _pause(self, peer: Peer, arguments: Message) -> Message:
        return write_status(await self._unit(arguments).pause(peer))

    async def _release(self, _peer: Peer, arguments: Message) -> Message:
        return write_status(await self._unit(arguments).release())

    async def _confine(self, _peer: Peer, arguments: Message) -> None:
        groups = [[Path(path) for path in arguments[when]] for when in ("now", "later")]
        await self._unit(arguments).confine(*groups)

    async def _status(self, _peer: Peer, _arguments: Message) -> Message:
        return {
            "kept": self._kept,
            "owned": any(peer.owner for peer in self._peers),
            "ending": self._ending is not None,
            "units": [write_status(unit.status) for unit in self._units.values() if unit.begun],
        }

    async def _claim(self, _peer: Peer, arguments: Message) -> None:
        for directory in arguments["directories"]:
            self._means.claims.claim_directory(Path(directory), self._directory, self._records)
        for directory in arguments.get("locks", ()):
            self._means.claims.claim_locks(Path(directory), self._records)
        peers = [process for peer in self._peers if (process := procfs.identify(peer.pid)) is not None]
        ports = [int(port) for port in arguments["ports"]]
        self._means.claims.claim_ports(ports, [*self._means.household.everyone(), *peers], self._records)

    async def _adopt(self, _peer: Peer, arguments: Message) -> None:
        pid, purpose = int(arguments["pid"]), str(arguments["purpose"])
        process = self._adoptable(pid)
        if process in self._means.household.everyone():
            return
        self._records.write("intent", sync=True, act="adopt", unit=purpose)
        group = self._adopted[pid] = Group(purpose)
        self._means.household.join(group)
        self._means.household.add(group, process, "adopted")

    def _adoptable(self, pid: int) -> ProcessId:
        process = procfs.identify(pid)
        if process is None or not procfs.is_alive(process):
            raise SupervisorError(f"pid {pid} cannot be adopted: there is no such process")
        if pid in {1, os.getpid(), *(peer.pid for peer in self._peers)}:
            raise SupervisorError(f"pid {pid} cannot be adopted: it is seatrial itself, or the system's first process")
        if os.geteuid() not in (0, Path(f"/proc/{pid}").stat().st_uid):
            raise SupervisorError(f"pid {pid} cannot be adopted: it belongs to another user")
        return process

    async def _remedy(self, peer: Peer, arguments: Message) -> None:
        guard = process_in(arguments["guard"]) if arguments["guard"] else None
        owner = None if arguments.get("stays") else peer
        commands, watch = lines(arguments["commands"]), lines(arguments.get("watch", ()))
        remedy = Remedy(name=str(arguments["name"]), commands=commands, watch=watch, guard=guard, peer=owner)
        # The same that somebody did who has gone is being undone: this one is not to be undone with it.
        await wait_until(lambda: not self._is_being_undone(remedy.name), time.monotonic_ns() + _UNDONE_NS)
        if owner is not None and peer not in self._peers:
            raise SupervisorError(f"{remedy.name}: whoever ordered it has gone meanwhile")
        self._means.remedies.add(remedy, self._records)

    def _is_being_undone(self, name: str) -> bool:
        known = self._means.remedies.get(name)
        return known is not None and known.peer is not None and known.peer not in self._peers

    async def _settle(self, _peer: Peer, arguments: Message) -> None:
        remedy = self._means.remedies.get(str(arguments["name"]))
        if remedy is None:
            return
        if not arguments["run"]:
            self._means.remedies.settle(remedy.name, self._records)
        elif failure := await run_remedy(self._means, remedy):
            raise SupervisorError(f"could not be undone: {failure}")

    async def _undo_for(self, peer: Peer, commands: Sequence[asyncio.Task[None]]) -> None:
        """What somebody who has gone had done to what lives on; their commands first, which may be doing it just now."""
        await asyncio.gather(*commands, return_exceptions=True)
        for failure in filter(None, await run_remedies(self._means, self._means.remedies.of(peer))):
            complain(f"could not be undone: {failure}")
        for unit in [u for u in self._units.values() if u.peer is peer]:
            await unit.prepare_end()
            await unit.finish(unit.order.stop_timeout_ns)

    async def _keep(self, _peer: Peer, _arguments: Message) -> None:
        self._records.write("keep", sync=True)
        self._kept = True

    async def _beat(self, _peer: Peer, _arguments: Message) -> None:
        return None

    # -- the end

    async def _end(self, _peer: Peer, arguments: Message) -> Message:
        if arguments["force"]:
            self._means.hurry.set()
        self._finish("ended by order", keep_directories=bool(arguments["keep_directories"]))
        assert self._ending is not None
        return residue_fields(await asyncio.shield(self._ending))

    def _finish(self, why: str, *, keep_directories: bool = False) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_everything(why, keep_directories))

    async def _end_everything(self, why: str, keep_directories: bool) -> Residue:
        try:
            return await end_everything(
                self._means,
                tuple(self._units.values()),
                tuple(self._adopted.values()),
                why=why,
                keep_directories=keep_directories,
            )
        finally:
            self._socket_path.unlink(missing_ok=True)  # before the answer: nobody is to find it afterwards
            self._finished.set()


def _ignore() -> None:
    """The keeper outlives the terminal's signals."""
