"""Real network namespaces with real processes in them: `web` at this machine and at `peer`, `plain` at this machine alone."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from seatrial.core import procfs
from seatrial.core.processes import ProcessId
from seatrial.platforms.namespaces.entering import made_in, namespace_of

HERE = Path(__file__).parent
LINES, DATAGRAMS = 8080, 8081
T = TypeVar("T")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@dataclass
class Place:
    """A namespace and its process. `address` by who looks: "host" or another place."""

    name: str
    label: str
    process: ProcessId
    address: dict[str, str]
    address6: dict[str, str]
    running: subprocess.Popen[str]

    def run(self, *argv: str) -> str:
        done = subprocess.run(["ip", "netns", "exec", self.label, *argv], check=True, capture_output=True, text=True)
        return done.stdout

    def state(self) -> str:
        """All rules and disciplines, without what changes by itself."""
        saved = [self.run(program).splitlines() for program in ("iptables-save", "ip6tables-save")]
        rules = "\n".join(line.split(" [")[0] for lines in saved for line in lines if not line.startswith("#"))
        return rules + self.run("tc", "qdisc", "show")

    def within(self, make: Callable[[], T]) -> T:
        return made_in(namespace_of(self.process.pid), self.process.pid, make)


@dataclass
class Grounds:
    token: str = field(default_factory=lambda: secrets.token_hex(2))
    places: dict[str, Place] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    _networks: int = 0

    def make(self) -> Grounds:
        nets = {"web": {"host": self._pair("web", None), "peer": self._pair("web", "peer")}}
        nets["peer"] = {"web": nets["web"]["peer"][::-1], "host": self._pair("peer", None)}
        nets["plain"] = {"host": self._pair("plain", None)}
        names = Path("/etc/netns") / self._label("web")
        names.mkdir(parents=True)
        (names / "resolv.conf").write_text(f"nameserver {nets['peer']['web'][0][0]}\n")
        for name, looked in nets.items():
            label = self._label(name)
            argv = [
                "ip",
                "netns",
                "exec",
                label,
                sys.executable,
                str(HERE / "answering.py"),
                *(["--names"] if name == "peer" else []),
            ]
            running = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            process = procfs.identify(running.pid)
            assert process is not None
            self.places[name] = Place(
                name=name, label=label, process=process, running=running,
                address={who: pair[0][0] for who, pair in looked.items()},
                address6={who: pair[0][1] for who, pair in looked.items()},
            )  # fmt: skip
        return self

    def host_state(self, name: str) -> str:
        return ip_free("tc", "qdisc", "show", "dev", f"h{self.token}{name[:4]}")

    def end(self) -> None:
        for place in self.places.values():
            place.running.kill()
            place.running.communicate()
        for label in self.labels:
            subprocess.run(["ip", "netns", "del", label], check=False)
        names = Path("/etc/netns") / self._label("web")
        if names.exists():
            (names / "resolv.conf").unlink(missing_ok=True)
            names.rmdir()

    def _label(self, name: str) -> str:
        label = f"cnet-{self.token}-{name}"
        if label not in self.labels:
            ip("netns", "add", label)
            ip("-n", label, "link", "set", "lo", "up")
            self.labels.append(label)
        return label

    def _pair(self, name: str, other: str | None) -> tuple[tuple[str, str], tuple[str, str]]:
        """Ends with addresses of both families: of `name`, and of the other (None: this machine)."""
        mine, theirs = f"e{self._networks}", f"h{self.token}{name[:4]}" if other is None else f"e{self._networks}p"
        block = int(self.token, 16) << 2 | self._networks
        self._networks += 1
        four = [f"10.{192 + (block >> 14 & 31)}.{block >> 6 & 255}.{(block & 63) * 4 + n}" for n in (1, 2)]
        six = [f"fd5e:{self.token}:{self._networks}::{n}" for n in (1, 2)]
        far = [] if other is None else ["netns", self._label(other)]
        ip("link", "add", "name", theirs, *far, "type", "veth", "peer", "name", mine, "netns", self._label(name))
        where = [] if other is None else ["-n", self._label(other)]
        for words, device, end in ((["-n", self._label(name)], mine, 0), (where, theirs, 1)):
            ip(*words, "addr", "add", f"{four[end]}/30", "dev", device)
            ip(*words, "addr", "add", f"{six[end]}/64", "dev", device, "nodad")
            ip(*words, "link", "set", device, "up")
        return (four[0], six[0]), (four[1], six[1])


def ip_free(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


async def took(origin: Place | None, host: str, *, patience_s: float = 1.0, lines: int = 1) -> list[float] | str:
    """Seconds that lines take there and back over one connection, each; or what became of it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = origin.within(lambda: socket.socket(family)) if origin else socket.socket(family)
    made.setblocking(False)
    with made:
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.get_running_loop().sock_connect(made, (host, LINES))
                times = []
                for _ in range(lines):
                    began = time.monotonic()
                    await asyncio.get_running_loop().sock_sendall(made, b"line\n")
                    assert await asyncio.get_running_loop().sock_recv(made, 99) == b"line\n"
                    times.append(time.monotonic() - began)
                return times
        except TimeoutError:
            return "silent"
        except OSError as error:
            return type(error).__name__


async def handshakes(origin: Place | None, host: str, count: int) -> list[float]:
    """Seconds that so many handshakes take, as the kernel has measured them (tcpi_rtt): no process has to wake up for that."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    async def one() -> float:
        made = origin.within(lambda: socket.socket(family)) if origin else socket.socket(family)
        made.setblocking(False)
        with made:
            async with asyncio.timeout(30):
                await asyncio.get_running_loop().sock_connect(made, (host, LINES))
            return (
                float(struct.unpack_from("I", made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 68)[0]) / 1e6
            )

    found: list[float] = []
    while len(found) < count:
        found += await asyncio.gather(*(one() for _ in range(40)))
    return found


async def datagrams(origin: Place | None, host: str, count: int) -> int:
    """How many of so many come back."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = (
        origin.within(lambda: socket.socket(family, socket.SOCK_DGRAM))
        if origin
        else socket.socket(family, socket.SOCK_DGRAM)
    )
    made.setblocking(False)
    seen = set[bytes]()
    with made:
        made.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
        made.connect((host, DATAGRAMS))
        for n in range(count):
            made.send(b"%d" % n)
            if n % 16 == 15:
                await asyncio.sleep(0.002)
        try:
            async with asyncio.timeout(1.0):
                while len(seen) < count:
                    seen.add(await asyncio.get_running_loop().sock_recv(made, 99))
        except TimeoutError:
            pass
    return len(seen)


async def bulk(origin: Place | None, host: str, size: int) -> float:
    """Seconds for so many bytes there and back."""
    made = origin.within(lambda: socket.socket()) if origin else socket.socket()
    made.setblocking(False)
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with made:
        await loop.sock_connect(made, (host, LINES))
        sending = asyncio.create_task(loop.sock_sendall(made, b"x" * (size - 1) + b"\n"))
        left = size
        async with asyncio.timeout(30):
            while left:
                left -= len(await loop.sock_recv(made, 1 << 16))
        await sending
    return time.monotonic() - began


def why_not() -> str:
    """Why none of this can be tested here."""
    if os.geteuid() != 0:
        return "NETWORK FAULTS ARE NOT TESTED: network namespaces take root"
    done = subprocess.run(
        [sys.executable, "-m", "seatrial.platforms.namespaces", "try"], capture_output=True, text=True, check=False
    )
    return f"NETWORK FAULTS ARE NOT TESTED: {done.stderr}" if done.returncode else ""


def standing() -> Iterator[Grounds]:
    """Grounds for the tests of a module, which are skipped where there can be none."""
    if why := why_not():
        pytest.skip(why)
    made = Grounds()
    try:
        yield made.make()
    finally:
        made.end()
