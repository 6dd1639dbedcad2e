"""Outages of known length against what seatrial states: is the truth inside the interval, and is the interval narrow?

    python benchmarks/outage_accuracy.py [--windows 20] [--rate 100]

A real HTTP server is stopped and continued with SIGSTOP and SIGCONT by this script alone, which times its own signals; a workload of
seatrial asks it at a constant rate. Exit status 1 when the truth is outside once, or a half-width exceeds 1/rate + 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from ports import free_port

from seatrial.api.workloads import Maker
from seatrial.arrivals.records import read
from seatrial.checkers.history import History
from seatrial.checkers.outages import outages
from seatrial.core.plan import ProbeCall, WorkloadPlan
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.workloads import RenderedRequest, Window

SERVER = """
import http.server
class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm, wbufsize = True, -1
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
import sys
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Quiet).serve_forever()
"""
BEFORE_NS = 900_000_000  # of service as usual, in each window
PATIENCE_S = 30.0


async def measure(windows: int, rate: float, seed: int) -> int:
    """Run it; returns the exit status."""
    chance = random.Random(seed)
    port = free_port()
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(port))
    inside, widest = 0, 0.0
    bound = 1000 / rate + 10
    with tempfile.TemporaryDirectory() as name:
        await answering(port)
        plan = WorkloadPlan(
            name="clients",
            call=ProbeCall(verb="http", what="GET /"),
            arrivals={"constant": Quantity(rate, Dimension.RATE)},
            timeout_ns=10_000_000_000,
            in_flight=4000,
        )
        request = RenderedRequest(urls=(f"http://127.0.0.1:{port}",), method="GET", path="/", headers={})
        workload = await Maker().start(plan, request, Path(name), "p-", nobody)
        try:
            for number in range(windows):
                # What is slept is what is measured: service as usual before the stop, at any moment between two requests.
                await asyncio.sleep((BEFORE_NS / 1e9) + chance.random() / rate)
                began = time.monotonic_ns()
                stopped = await asyncio.to_thread(stop_for, server.pid, chance.uniform(0.3, 3.0))
                await served_again(workload.file, time.monotonic_ns(), rate)
                window = Window(from_ns=began - BEFORE_NS, to_ns=time.monotonic_ns())
                history = History.of(read(workload.file), window, rate, plan.timeout_ns)
                seen = max(outages(history), key=lambda o: o.high_ns)
                holds = seen.low_ns <= stopped[1] and stopped[0] <= seen.high_ns
                half = (seen.high_ns - seen.low_ns) / 2e6
                inside += holds
                widest = max(widest, half)
                truth = f"{stopped[0] / 1e6:7.1f} to {stopped[1] / 1e6:7.1f} ms"
                stated = f"{seen.low_ns / 1e6:7.1f} to {seen.high_ns / 1e6:7.1f} ms"
                word = "inside" if holds else "OUTSIDE"
                print(
                    f"window {number + 1:>2}: truth {truth}, stated {stated}, {word}, half-width {half:4.1f} ms",
                    flush=True,
                )
        finally:
            await workload.stop()
            os.kill(server.pid, signal.SIGKILL)
            await server.wait()
    print(f"truth inside {inside} of {windows} times; half-width at most {widest:.1f} ms (bound {bound:.1f} ms)")
    return 0 if inside == windows and widest <= bound else 1


async def nobody(_pid: int) -> None:
    """Nobody owns the worker: this script ends it."""


async def served_again(file: Path, since_ns: int, rate: float) -> None:
    """Wait until all that was due by then has ended, and a tenth of a second of requests after it, too. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            records = read(file)
            due, done = records["intended"], records["done"] > 0
            if done[due <= since_ns].all() and (done & (due > since_ns)).sum() >= rate / 10:
                return
            await asyncio.sleep(0.02)


def stop_for(pid: int, seconds: float) -> tuple[int, int]:
    """Stop a process for a time; (least, most) ns that it was stopped, as the signals' own times allow."""
    before_stop = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    after_stop = time.monotonic_ns()
    time.sleep(seconds)
    before_go = time.monotonic_ns()
    os.kill(pid, signal.SIGCONT)
    after_go = time.monotonic_ns()
    return before_go - after_stop, after_go - before_stop


async def answering(port: int) -> None:
    """Wait until the server accepts."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return asyncio.run(measure(arguments.windows, arguments.rate, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
