"""The fault proxy: what it costs.

    python benchmarks/links.py --start 1000    so many links of a stack: how long they take to start

A bar a function. Exit status 1 when one does not hold.

Start: a stack of two rows of services, each of one a client of each of the other, is brought up without links and with them, in turns. What
links add to it is the median difference of pairs; bound 2 s. Beside it the processor's time of seatrial, which others do not lengthen, and
the proxy alone, from its exec until it accepts connections for the last.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from seatrial.api.vocabulary import vocabulary
from seatrial.core.redaction import Redactor
from seatrial.engine.probing import Prober
from seatrial.keeper import KeeperClient
from seatrial.links.proxy import written
from seatrial.links.route import RouteOrder
from seatrial.platforms.local import LocalPlatform
from seatrial.platforms.ports import runtime_directory
from seatrial.spec import compile_spec

START_BOUND_S = 2.0
# One process for all ports of a service: what is measured are links.
SERVER = "import signal, socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=1000); signal.pause()"


def pairs_of(links: int) -> tuple[int, list[str]]:
    """How many services so many links need at least in two rows, and the links: from each of one row to each of the other."""
    row = math.isqrt(links - 1) + 1
    return 2 * row, [f"s{one} -> s{other}" for one in range(row, 2 * row) for other in range(row)][:links]


def spec(directory: Path, services: int, links: Sequence[str]) -> Path:
    """The stack, and a scenario that nobody runs."""
    (directory / "server.py").write_text(SERVER)
    each = "\n".join(
        f'    s{n}: {{command: "python -S -E server.py {{{{ instance.port.tcp }}}}", ports: {{tcp: auto}}, directory: {directory}}}'
        for n in range(services)
    )
    file = directory / "seatrial.yaml"
    listed = f"  links: [{', '.join(links)}]\n" if links else ""
    file.write_text(
        f"seatrial: 1\nstack:\n  services:\n{each}\n{listed}"
        "scenarios: {up: {steps: [{tcp: connect, at: s0, expect: took < 1s}]}}\n"
    )
    return file


async def up(directory: Path, services: int, links: Sequence[str]) -> tuple[float, float]:
    """Seconds until all of it was ready, by the clock and of the processor."""
    known = vocabulary()
    stack = compile_spec(spec(directory, services, links), known, environment={}).stack
    keeper = await KeeperClient.launch(directory / "trial")
    prober = Prober(known, dict[str, str]().__getitem__, Redactor())
    platform = LocalPlatform(
        stack,
        directory=directory / "trial",
        supervisor=keeper,
        prober=prober,
        kinds=known.kinds,
        secrets=dict[str, str]().__getitem__,
        on_secret=lambda _: None,
        owner=keeper.keeper,
    )
    prober.platform = platform
    try:
        began, worked = time.monotonic(), time.process_time()
        await platform.up(lambda _: None)
        return time.monotonic() - began, time.process_time() - worked
    finally:
        await platform.down()
        await keeper.close()


def proxy_alone(directory: Path, links: int) -> float:
    """Seconds from the start of the process until its control, which listens last, accepts connections."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(links + 1)]
    *ports, control = [s.getsockname()[1] for s in held]
    for each in held:
        each.close()
    orders = [
        RouteOrder(link=f"a -> b#{n}", listen=("127.0.0.1", port), to=("127.0.0.1", 9), scheme="tcp")
        for n, port in enumerate(ports)
    ]
    file = directory / "links.json"
    file.write_text(written(orders, ("127.0.0.1", control), "token"))
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "seatrial.links", str(file)])
    try:
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", control)) == 0:
                    return time.monotonic() - began
            if process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError("the proxy did not start")
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()


def locks(count: int) -> float:
    """Seconds that so many locks of ports take where they are: a symbolic link each, which some file systems take long for."""
    with tempfile.TemporaryDirectory(dir=runtime_directory()) as name:
        began = time.monotonic()
        for number in range(count):
            Path(name, str(number)).symlink_to("a:b:c")
        return time.monotonic() - began


def start(links: int, pairs: int) -> bool:
    """So many links start within the bound."""
    services, named = pairs_of(links)
    added = []
    for number in range(pairs):
        took = []
        for given in ([], named):
            with tempfile.TemporaryDirectory() as name:
                took.append(asyncio.run(up(Path(name), services, given)))
        with tempfile.TemporaryDirectory() as name:
            alone = proxy_alone(Path(name), links)
        (without, idle), (whole, busy) = took
        added.append(whole - without)
        print(
            f"{number + 1}: {services} services ready in {without:.2f} s, with {links:,} links in {whole:.2f} s: "
            f"{added[-1]:+.2f} s ({busy - idle:+.2f} s of the processor); the proxy alone {alone:.2f} s",
            flush=True,
        )
    median = statistics.median(added)
    held = median <= START_BOUND_S
    print(
        f"{'✔' if held else '✘'} {links:,} links add {median:.2f} s to the start of a stack (bound {START_BOUND_S:g} s), "
        f"{locks(links):.2f} s of it for symbolic links in {runtime_directory()}"
    )
    return held


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=0, metavar="LINKS", help="how long so many links take to start")
    parser.add_argument("--pairs", type=int, default=3, help="of starts without and with links")
    given = parser.parse_args()
    results = []
    if given.start:
        results.append(start(given.start, given.pairs))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
