"""The proxy of links against toxiproxy, in the same run: throughput per CPU-second, what it adds when idle, a latency that is asked for.

nginx and wrk (64 connections) share a core, the proxy that is measured has the other. toxiproxy is built from its Go module on first use,
under the cache directory.

    python benchmarks/link_proxy.py [--pairs 9] [--seconds 3]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from load_tools import CLIENT_CORE, SERVER_CORE, arguments, interval, nginx, until_accepting, wrk
from peers import CACHE
from ports import free_port

from seatrial.links.control import LinkControl
from seatrial.links.proxy import written
from seatrial.links.route import RouteOrder

TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
TOKEN = "benchmark"
BOUND, OFF_MS = 0.5, 3.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """A proxy that runs: the address to come in by, its process, and where it takes orders."""

    url: str
    pid: int
    control: int = 0

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def started(argv: list[str], control: int) -> Iterator[int]:
    """A process on the proxies' core that takes orders at a port."""
    with subprocess.Popen(
        ["taskset", "-c", str(CLIENT_CORE), *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until_accepting(control)
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def ours(to: int, scheme: str) -> Iterator[Proxied]:
    """The proxy of links."""
    control, port = free_port(), free_port()
    order = RouteOrder(link="link#1", listen=("127.0.0.1", port), to=("127.0.0.1", to), scheme=scheme)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "links.json"
        file.write_text(written([order], ("127.0.0.1", control), TOKEN))
        with started([sys.executable, "-m", "seatrial.links", str(file)], control) as pid:
            yield Proxied(url=f"http://127.0.0.1:{port}/", pid=pid, control=control)


@contextlib.contextmanager
def theirs(to: int) -> Iterator[Proxied]:
    """toxiproxy."""
    control, port = free_port(), free_port()
    with started([str(toxiproxy()), "-port", str(control)], control) as pid:
        order = {"name": "link", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{to}"}
        request = urllib.request.Request(f"http://127.0.0.1:{control}/proxies", json.dumps(order).encode())
        urllib.request.urlopen(request).close()
        yield Proxied(url=f"http://127.0.0.1:{port}/", pid=pid)


def toxiproxy() -> Path:
    """Its binary."""
    directory = CACHE.parent / "toxiproxy"
    if not (directory / "server").exists():
        if shutil.which("go") is None:
            sys.exit("NOT EXERCISED: toxiproxy is built with go, which is not on PATH")
        subprocess.run(["go", "install", TOXIPROXY], env={**os.environ, "GOBIN": str(directory)}, check=True)
    return directory / "server"


def throughput(proxied: Proxied, seconds: float) -> float:
    """Requests per CPU-second of the proxy."""
    before = proxied.cpu_s()
    done = wrk(proxied.url, seconds, core=SERVER_CORE, count=True)
    return done / (proxied.cpu_s() - before)


async def times(url: str, count: int, users: int = 1) -> list[float]:
    """Milliseconds of requests one after another, of each user on a connection of its own."""
    parts = urlsplit(url)
    found: list[float] = []

    async def user() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(count // users):
            began = time.perf_counter()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(int(f.split(b":")[1]) for f in head.split(b"\r\n") if f.lower().startswith(b"content-length"))
            await reader.readexactly(size)
            found.append((time.perf_counter() - began) * 1e3)
        writer.close()

    await asyncio.gather(*(user() for _ in range(users)))
    return found


async def delayed(proxied: Proxied) -> float:
    """The median of what a latency of 100 ms +- 10 ms, one way, adds."""
    plain = statistics.median(await times(proxied.url, 200))
    control = LinkControl(("127.0.0.1", proxied.control), TOKEN)
    await control.impair("link#1", "latency", {"delay_ns": 100_000_000, "jitter_ns": 10_000_000, "direction": "to"})
    found = statistics.median(await times(proxied.url, 600, users=20))
    await control.close()
    return found - plain


def main() -> int:
    """Command line."""
    given = arguments(__doc__, pairs=9, seconds=3)
    with nginx() as server:
        to = urlsplit(server.url).port or 0
        with ours(to, "http") as counting, ours(to, "tcp") as plain, theirs(to) as toxic:
            kinds = {"http, counted": counting, "tcp": plain}
            ratios: dict[str, list[float]] = {name: [] for name in kinds}
            for proxied in (counting, plain, toxic):
                throughput(proxied, 1)
            for number in range(given.pairs):
                peer = throughput(toxic, given.seconds)
                each = {name: throughput(p, given.seconds) for name, p in kinds.items()}
                for name, figure in each.items():
                    ratios[name].append(figure / peer)
                shown = ", ".join(f"{n} {f:,.0f} ({f / peer:.2f})" for n, f in each.items())
                print(f"pair {number + 1}: toxiproxy {peer:,.0f} requests per CPU-second; {shown}", flush=True)
            added = {n: asyncio.run(times(p.url, 3000)) for n, p in (("ours", counting), ("toxiproxy", toxic))}
            direct = statistics.median(asyncio.run(times(server.url, 3000)))
            off = asyncio.run(delayed(counting))
    held = True
    for name, values in ratios.items():
        median, low, high = interval(values)
        held &= median >= BOUND
        print(
            f"{name}: {median:.2f} of toxiproxy ({low:.2f} to {high:.2f}, {len(values)} pairs); bound: at least {BOUND}"
        )
    for name, found in added.items():
        print(
            f"idle, {name} adds {(statistics.median(found) - direct) * 1e3:.0f} us to a median of {direct * 1e3:.0f} us; no bound"
        )
    held &= abs(off - 100) <= OFF_MS
    print(f"100 ms +- 10 ms asked for: p50 {off:.1f} ms more; bound: within {OFF_MS:g} ms")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
