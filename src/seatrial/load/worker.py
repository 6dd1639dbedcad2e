"""The process of a generator. Its configuration is the first line of standard input, orders are further lines (`stop`); events go to
standard output as JSON lines. When standard input ends, whoever started it is gone, and so is this.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..arrivals import crowds
from ..arrivals.samples import seal
from ..arrivals.schedules import highest_rate, of
from ..arrivals.workers import say, serve, told_to_stop
from ..clients import connector
from ..clients.http1 import Way
from ..clients.protocol import Access, Operation
from . import http1_client
from .closed_model import ClosedModel
from .complaints import Complaints
from .driving import SWEEP_S, Orders
from .open_model import OpenModel
from .recording import Recorder
from .scripts import Crew, Prepared, Ready, Request, Scripted, T, flow_of, mix, written
from .tasks import ClosedTasks, OpenTasks, TaskOrders
from .users import User

_BEGIN_NS = 50_000_000
_DESCRIPTORS = 1 << 16


class Model(Protocol):
    """What drives users, whatever they speak."""

    complaints: Complaints
    users: int  # of a closed model: asked for now
    asked: int  # the most that were
    reached: int  # the most that were connected at once

    @property
    def in_flight(self) -> int: ...

    @property
    def connected(self) -> int: ...

    def connect(self) -> None: ...

    def start(self) -> None: ...

    def sweep(self) -> None: ...

    def halt(self) -> None: ...

    async def close(self) -> None: ...


class Worker:
    """One generator, as its configuration says; see api.loads.configuration for what that holds."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._tags: dict[str, int] = {name: n for n, name in enumerate(config["tags"])}
        self._more: Mapping[str, str] = config["headers"]
        self._path = Path(config["file"])
        self._users: int = config["users"]
        self._timeout: int = config["timeout_ns"]
        self._for: int | None = config["for_ns"]
        self._script = flow_of(config["script"], Path(config["directory"])) if config["script"] else None
        self._awaited = config["protocol"] != "http1" or asyncio.iscoroutinefunction(self._script)

    def _orders(self) -> Orders:
        config = self._config
        tls = {"verify": config["verify"], "cert": config["cert"], "key": config["key"]}
        ways = tuple(Way.of(url, **tls) for url in config["urls"])
        crew, take = self._crew(ways[0]), None
        if crew is None:
            requests = [_request(r) for r in config["requests"]]
            take = self._mix([self._write(ways[0], r) for r in requests], config["requests"])
        return Orders(
            ways=ways,
            take=take,
            crew=crew,
            write=lambda request: self._write(ways[0], request),
            timeout_ns=self._timeout,
            connections=self._users or config["connections"],
            accept=config["accept"],
            lifo=config["lifo"],
            think_ns=config["think_ns"],
            bodiless=any(r["method"] == "HEAD" for r in config["requests"]),
        )

    def _mix(self, prepared: Sequence[T], given: Sequence[Mapping[str, Any]]) -> Callable[[], T]:
        """By their weights; each generator draws its own, or neighbours in the schedule would all ask the same."""
        seed = self._config["seed"] * 1009 + self._config["share"][0]
        return mix(prepared, [g["weight"] for g in given], seed)

    def _crew(self, way: Way) -> Crew | None:
        """Who asks; None: requests are drawn."""
        if self._config.get("flows"):
            from .flows import People

            return People(self._config, way, self._tags)
        return Scripted(self._script) if self._script is not None else None

    def _write(self, way: Way, request: Ready) -> Prepared:
        if not request.data and isinstance(request, Request):
            request.data = written(way, request, self._more)
            request.tag_number = self._tag(request.tag)
        return request.data, request.tag_number

    def _task_orders(self) -> TaskOrders:
        """The same for users whose steps are awaited."""
        config = self._config
        access = Access(
            urls=tuple(config["urls"]), parameters=config["parameters"], headers=self._more, verify=config["verify"],
            cert=config["cert"], key=config["key"],
        )  # fmt: skip
        made = http1_client.connector if config["protocol"] == "http1" else connector(config["protocol"])
        act: Callable[[User], Awaitable[object]]
        if self._script is not None:
            act = cast("Callable[[User], Awaitable[object]]", self._script)
        else:
            asked = [(Operation(o["what"], o["arguments"]), self._tag(o["tag"])) for o in config["operations"]]
            take = self._mix(asked, config["operations"])

            async def act(user: User) -> None:
                await user.perform(*take())

        return TaskOrders(
            act=act,
            connect=made(access),
            tag=self._tag,
            timeout_ns=self._timeout,
            connections=self._users or config["connections"],
            accept=config["accept"],
            lifo=config["lifo"],
            think_ns=config["think_ns"],
        )

    def _tag(self, name: str) -> int:
        return self._tags.setdefault(name, len(self._tags))

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

    def _changes(self, start: int) -> list[tuple[int, int]]:
        """This worker's share of a number of users that changes; nothing where it does not."""
        share, shares = self._config["share"]
        crowd = self._config.get("crowd")
        return [(start + at, crowds.share(n, share, shares)) for at, n in crowds.changes(crowd)] if crowd else []

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Until its time is over, the order to stop, or the end of the orders."""
        config = self._config
        what = (
            self._task_orders() if self._awaited else self._orders()
        )  # libraries are imported before a start is named
        several = len(config["requests"]) > 1 or len(config["operations"]) > 1
        tagged = several or bool(config["script"] or config.get("flows"))
        rate = 0.0 if self._users else highest_rate(config["schedule"]) / config["share"][1]
        start = max(config["start_ns"], time.monotonic_ns() + _BEGIN_NS)
        recorder = Recorder(
            self._path, start, warm_up_ns=config["warm_up_ns"], pace_ns=1e9 / rate if rate else 0.0, tagged=tagged
        )
        generator = self._generator(what, recorder, start, rate)
        generator.connect()
        gc.collect()
        gc.freeze()
        say({"event": "started", "at_ns": start, "file": str(self._path)})
        stop = asyncio.create_task(told_to_stop(orders))
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
        await generator.close()
        recorder.close(time.monotonic_ns())
        rows, digest = seal(self._path)
        say({
            "event": "stopped", "rows": rows, "sha256": digest, "due": recorder.due, "ok": recorder.ok, "failed": recorder.failed,
            "cpu_s": cpu, "took_s": (halted - start) / 1e9, "memory_bytes": used.ru_maxrss * 1024, "tags": list(self._tags),
            "asked": generator.asked, "reached": generator.reached if self._users else None,
            "script_errors": generator.complaints.most_common(),
        })  # fmt: skip

    def _generator(self, what: Orders | TaskOrders, recorder: Recorder, start: int, rate: float) -> Model:
        if isinstance(what, TaskOrders):
            if self._users:
                return ClosedTasks(what, recorder, self._users, self._changes(start))
            return OpenTasks(what, recorder, self._schedule(), start, rate)
        if self._users:
            return ClosedModel(what, recorder, self._users, self._changes(start))
        return OpenModel(what, recorder, self._schedule(), start, rate)

    async def _until(self, moment: int, stop: asyncio.Task[None]) -> None:
        await asyncio.wait([stop], timeout=max(0.0, (moment - time.monotonic_ns()) / 1e9))

    async def _pause(self, stop: asyncio.Task[None], end: int | None) -> None:
        left = SWEEP_S if end is None else min(SWEEP_S, max(0.0, (end - time.monotonic_ns()) / 1e9))
        await asyncio.wait([stop], timeout=left)

    def _tell(self, recorder: Recorder, generator: Model) -> None:
        """Where it stands, for who watches."""
        say({
            "event": "live", "due": recorder.due, "ok": recorder.ok, "failed": recorder.failed, "in_flight": generator.in_flight,
            "connected": generator.connected, "users": generator.users, "asked": generator.asked, "reached": generator.reached,
            "cpu": round(recorder.cpu_share, 3), "lag_max_ns": recorder.lag_max,
            "tags": list(self._tags), "script_errors": generator.complaints.most_common(),
        })  # fmt: skip


def _request(given: Mapping[str, Any]) -> Request:
    headers, tag = given["headers"], given["tag"]
    return Request(given["method"], given["path"], headers=headers, json=given["json"], body=given["body"], tag=tag)


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
