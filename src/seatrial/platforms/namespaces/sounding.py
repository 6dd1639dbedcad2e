"""Packets of one's own along a network: who they come back to is measured, and nobody is asked."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import NotExercised
from ...core.networks import Means, Sound, Sounding
from ...core.processes import ProcessId
from .entering import made_in, namespace_of

_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPERM, errno.EACCES)
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER = 16 << 20
_ECHO = {4: (8, 0, socket.AF_INET, socket.IPPROTO_ICMP), 6: (128, 129, socket.AF_INET6, socket.IPPROTO_ICMPV6)}
_NAMES, _SMALL = 53, 512
_WINDOW = 48 << 10  # bytes of echoes on their way: a kernel has little room for its answers (icmp(7))
NOBODYS_PORT = 1  # where nobody listens the kernel itself answers, however busy its processes are


async def sound(where: ProcessId | None, sound: Sound, to: tuple[str, int]) -> Sequence[Sounding]:
    """From the namespace of a process (None: the present one) to an address; see core.networks.

    A name is asked of the servers that the process asks. Raises NotExercised without the right, PlatformError for one that has gone.
    """
    match sound.means:
        case Means.CONNECT:
            return await asyncio.gather(*(_connect(where, to, sound.patience_ns) for _ in range(sound.count)))
        case Means.ECHO:
            return await _echo(where, to[0], sound)
        case Means.NAME:
            if where is None:
                raise NotExercised("names are asked for where an instance is")
            return await asyncio.gather(*(_ask(where, to[0], sound.patience_ns) for _ in range(sound.count)))


async def _connect(where: ProcessId | None, to: tuple[str, int], patience_ns: int) -> Sounding:
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    made = _socket(where, family, socket.SOCK_STREAM)
    began = time.monotonic_ns()
    with made:
        try:
            async with asyncio.timeout(patience_ns / 1e9):
                await asyncio.get_running_loop().sock_connect(made, to)
            outcome = "answered"
        except TimeoutError:
            outcome = "silent"
        except OSError as error:
            outcome = _told(error)
        return Sounding(outcome=outcome, began_ns=began, took_ns=time.monotonic_ns() - began)


async def _echo(where: ProcessId | None, host: str, sound: Sound) -> Sequence[Sounding]:
    """Those that come back are told by an identity and their numbers (RFC 792, RFC 4443). Large ones wait for those before."""
    asks, answers, family, protocol = _ECHO[ipaddress.ip_address(host).version]
    made = _socket(where, family, socket.SOCK_RAW, protocol)
    loop, identity = asyncio.get_running_loop(), secrets.randbelow(1 << 16)
    began, came, stirred = list[int](), dict[int, int](), asyncio.Event()
    window = max(1, _WINDOW // sound.size) if sound.size > _SMALL else sound.count
    unreachable = False

    def hear() -> None:
        while True:
            try:
                packet = made.recv(1 << 16)
            except OSError:
                return
            at = (packet[0] & 15) * 4 if family == socket.AF_INET else 0
            if len(packet) >= at + 8:
                kind, _, _, whose, number = struct.unpack_from("!BBHHH", packet, at)
                if kind == answers and whose == identity and number < len(began):
                    came.setdefault(number, time.monotonic_ns())
                    stirred.set()

    with made:
        for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
            made.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        loop.add_reader(made, hear)
        try:
            async with asyncio.timeout(sound.patience_ns / 1e9):
                while len(came) < sound.count:
                    stirred.clear()
                    while len(began) < sound.count and len(began) - len(came) < window:
                        began.append(time.monotonic_ns())
                        try:
                            made.sendto(_request(asks, identity, len(began) - 1, sound.size), (host, 0))
                        except OSError as error:
                            unreachable = unreachable or _told(error) == "unreachable"
                        if len(began) % 32 == 0:
                            hear()
                    await stirred.wait()
        except TimeoutError:
            hear()
        finally:
            loop.remove_reader(made)
    began += [time.monotonic_ns()] * (sound.count - len(began))  # that could not even be sent
    now, missing = time.monotonic_ns(), "unreachable" if unreachable else "silent"
    return [
        Sounding(outcome="answered" if n in came else missing, began_ns=b, took_ns=came.get(n, now) - b)
        for n, b in enumerate(began)
    ]


async def _ask(where: ProcessId, name: str, patience_ns: int) -> Sounding:
    """Any answer is one, whatever it says."""
    servers = name_servers(where)
    if not servers:
        raise NotExercised(f"process {where.pid} has no name server: its /etc/resolv.conf names none")
    server = servers[0]
    made = _socket(where, socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    loop, identity = asyncio.get_running_loop(), secrets.token_bytes(2)
    question = b"".join(bytes([len(part)]) + part.encode("idna") for part in name.split(".")) + b"\0\0\1\0\1"
    began = time.monotonic_ns()
    with made:
        try:
            made.connect((server, _NAMES))
            made.send(identity + b"\1\0\0\1\0\0\0\0\0\0" + question)
            async with asyncio.timeout(patience_ns / 1e9):
                while (await loop.sock_recv(made, 4096))[:2] != identity:
                    pass
            outcome = "answered"
        except TimeoutError:
            outcome = "silent"
        except OSError as error:
            outcome = _told(error)
        return Sounding(outcome=outcome, began_ns=began, took_ns=time.monotonic_ns() - began)


def name_servers(process: ProcessId) -> Sequence[str]:
    """Those that a process asks, as its own /etc/resolv.conf names them (resolv.conf(5))."""
    try:
        text = Path(f"/proc/{process.pid}/root/etc/resolv.conf").read_text("utf-8", "replace")
    except OSError:
        return []
    words = [line.split() for line in text.splitlines()]
    return [w[1] for w in words if len(w) > 1 and w[0] == "nameserver"]


def _socket(where: ProcessId | None, family: int, kind: int, protocol: int = 0) -> socket.socket:
    def make() -> socket.socket:
        try:
            made = socket.socket(family, kind, protocol)
        except PermissionError:
            raise NotExercised("echoes are sent by root only") from None
        made.setblocking(False)
        return made

    if where is None:
        return make()
    return made_in(namespace_of(where.pid), where.pid, make)


def _request(kind: int, identity: int, number: int, size: int) -> bytes:
    data = bytes(max(0, size))
    head = struct.pack("!BBHHH", kind, 0, 0, identity, number)
    # The kernel sums up ICMPv6 by itself, with addresses that are not known here.
    return struct.pack("!BBHHH", kind, 0, _sum(head + data) if kind == 8 else 0, identity, number) + data


def _sum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _told(error: OSError) -> str:
    return "refused" if error.errno in _REFUSED else "unreachable"
