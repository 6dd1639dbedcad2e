"""The process of a generator. Its configuration is the first line of standard input, orders are further lines (`stop`); events go to
standard output as JSON lines. When standard input ends, whoever started it is gone, and so is this.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrivals.samples import seal
from ..arrivals.schedules import highest_rate, of
from ..arrivals.workers import say, serve
from .closed_model import ClosedModel
from .driving import SWEEP_S, Generator, Orders
from .http1 import Way
from .open_model import OpenModel
from .recording import Recorder
from .scripts import Crew, Prepared, Ready, Request, Scripted, flow_of, mix, written

_BEGIN_NS = 50_000_000
_DESCRIPTORS = 1 << 16
events = 1  # the descriptor that they go to


class Worker:
    """One generator, as its configuration says; see process.configuration for what that holds."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        tls = {"verify": config["verify"], "cert": config["cert"], "key": config["key"]}
        self._ways = tuple(Way.of(url, **tls) for url in config["urls"])
        self._tags: dict[str, int] = {name: n for n, name in enumerate(config["tags"])}
        self._more: Mapping[str, str] = config["headers"]
        self._path = Path(config["file"])
        self._users: int = config["users"]
        self._timeout: int = config["timeout_ns"]
        self._for: int | None = config["for_ns"]

    def _orders(self) -> Orders:
        config = self._config
        crew, take = self._crew(), None
        if crew is None:
            requests = [_request(r) for r in config["requests"]]
            take = mix([self._write(r) for r in requests], [r["weight"] for r in config["requests"]], config["seed"])
        return Orders(
            ways=self._ways,
            take=take,
            crew=crew,
            write=self._write,
            timeout_ns=self._timeout,
            connections=self._users or config["connections"],
            accept=config["accept"],
            lifo=config["lifo"],
            think_ns=config["think_ns"],
            bodiless=any(r["method"] == "HEAD" for r in config["requests"]),
        )

    def _crew(self) -> Crew | None:
        """Who asks; None: requests are drawn."""
        config = self._config
        if config.get("flows"):
            from .flows import People

            return People(config, self._ways[0], self._tags)
        return Scripted(flow_of(config["script"], Path(config["directory"]))) if config["script"] else None

    def _write(self, request: Ready) -> Prepared:
        if not request.data and isinstance(request, Request):
            request.data = written(self._ways[0], request, self._more)
            request.tag_number = self._tags.setdefault(request.tag, len(self._tags))
        return request.data, request.tag_number

    def _schedule(self) -> Iterator[NDArray[np.int64]]:
        """This worker's share of the arrivals: each n-th one, so that all together keep the schedule's pace."""
        share, shares = self._config["share"]
        offset = share
        for chunk in of(self._config["schedule"], self._config["seed"]):
            mine = chunk[offset::shares]
            offset = (offset - len(chunk)) % shares
            if self._for is not None and len(chunk) and chunk[-1] >= self._for:
                yield mine[mine < self._for]
                return
            yield mine

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Until its time is over, the order to stop, or the end of the orders."""
        config = self._config
        what = self._orders()
        tagged = len(config["requests"]) > 1 or what.crew is not None
        rate = 0.0 if self._users else highest_rate(config["schedule"]) / config["share"][1]
        start = max(config["start_ns"], time.monotonic_ns() + _BEGIN_NS)
        recorder = Recorder(
            self._path, start, warm_up_ns=config["warm_up_ns"], pace_ns=1e9 / rate if rate else 0.0, tagged=tagged
        )
        generator: ClosedModel | OpenModel = (
            ClosedModel(what, recorder, self._users)
            if self._users
            else OpenModel(what, recorder, self._schedule(), start, rate)
        )
        generator.connect()
        gc.collect()
        gc.freeze()
        say({"event": "started", "at_ns": start, "file": str(self._path)})
        stop = asyncio.create_task(_told(orders))
        await self._until(start, stop)
        generator.start()
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime
        end = start + self._for if self._for is not None else None
        while not stop.done() and (end is None or time.monotonic_ns() < end):
            await self._pause(stop, end)
            generator.sweep()
            self._tell(recorder, generator)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime - cpu
        halted = time.monotonic_ns()
        generator.halt()
        while generator.in_flight and time.monotonic_ns() < halted + self._timeout + 1_000_000_000:
            await asyncio.sleep(0.01)
            generator.sweep()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # attempts that end now have nobody to tell
        generator.close()
        recorder.close(time.monotonic_ns())
        rows, digest = seal(self._path)
        say({
            "event": "stopped", "rows": rows, "sha256": digest, "due": recorder.due, "ok": recorder.ok, "failed": recorder.failed,
            "cpu_s": cpu, "took_s": (halted - start) / 1e9, "memory_bytes": used.ru_maxrss * 1024, "tags": list(self._tags),
            "reached": getattr(generator, "reached", None), "script_errors": generator.script_errors.most_common(),
        })  # fmt: skip

    async def _until(self, moment: int, stop: asyncio.Task[None]) -> None:
        await asyncio.wait([stop], timeout=max(0.0, (moment - time.monotonic_ns()) / 1e9))

    async def _pause(self, stop: asyncio.Task[None], end: int | None) -> None:
        left = SWEEP_S if end is None else min(SWEEP_S, max(0.0, (end - time.monotonic_ns()) / 1e9))
        await asyncio.wait([stop], timeout=left)

    def _tell(self, recorder: Recorder, generator: Generator) -> None:
        """Where it stands, for who watches."""
        say({
            "event": "live", "due": recorder.due, "ok": recorder.ok, "failed": recorder.failed, "in_flight": generator.in_flight,
            "connected": generator.connected, "cpu": round(recorder.cpu_share, 3), "lag_max_ns": recorder.lag_max,
            "script_errors": generator.script_errors.most_common(),
        })  # fmt: skip


def _request(given: Mapping[str, Any]) -> Request:
    headers, tag = given["headers"], given["tag"]
    return Request(given["method"], given["path"], headers=headers, json=given["json"], body=given["body"], tag=tag)


async def _told(orders: asyncio.StreamReader) -> None:
    """Returns at the order to stop, and at the end of the orders."""
    while line := await orders.readline():
        if json.loads(line).get("order") == "stop":
            return


def descriptors() -> None:
    """As many open connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _DESCRIPTORS
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def work(config: Mapping[str, Any], orders: asyncio.StreamReader) -> None:
    """Run as configured."""
    await Worker(config).run(orders)


if __name__ == "__main__":
    descriptors()
    serve(work)
