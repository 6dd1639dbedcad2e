"""A load from the outside: one generator process, or several that share its schedule and agree on a start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..arrivals import crowds, samples
from ..arrivals.workers import complaint, kill, spawn, tell
from ..core.errors import SeatrialError
from ..core.workloads import Adopt, LiveFigures, Sealed

GENERATOR = "seatrial.load.worker"
_START_S = 20.0
_STOP_S = 10.0
_COMPLAINTS = 20
_AGREED_NS = 300_000_000  # one process: until it has read its configuration
_AGREED_EACH_NS = 400_000_000  # and for each further one


class Generator(Protocol):
    """One generator of a load, wherever it runs: where its samples arrive, and what it said last (see load.worker)."""

    file: Path
    live: Mapping[str, Any]
    rate: float
    connected: int
    result: Mapping[str, Any]

    @property
    def died(self) -> bool:
        """It ended without a word."""
        ...

    async def ended(self) -> None: ...

    async def stop(self) -> Mapping[str, Any] | None:
        """End it; returns what it said at its end, None when it died."""
        ...


def shares(config: Mapping[str, Any], generators: int) -> list[dict[str, Any]]:
    """What each of several generators does of a load: each n-th arrival, its part of the users. Never more of them than users."""
    number = min(generators, config["users"] or generators)
    connections = max(1, config["connections"] // number)
    users = [crowds.share(config["users"], n, number) for n in range(number)]
    return [{**config, "share": [n, number], "users": users[n], "connections": connections} for n in range(number)]


class LoadProcess:
    """A running load. Made by `start`; `done` is set when it ended by itself; `stop` ends it and seals its samples."""

    def __init__(
        self, name: str, workers: Sequence[Generator], file: Path, started_ns: int, tags: Sequence[str]
    ) -> None:
        self.name = name
        self._workers = workers
        self.file = file
        self.started_ns = started_ns
        self._sealed: Sealed | None = None
        self._tags = list(tags)

    @classmethod
    async def start(
        cls, config: Mapping[str, Any], workers: int = 1, adopt: Adopt | None = None, module: str = GENERATOR
    ) -> LoadProcess:
        """Start it; returns when it is about to send. `config` is a worker's, without share, start_ns and file's part; `module` is it.

        `adopt` is told each pid while the worker waits for its orders: one that nobody owns never sends
        anything. Raises SeatrialError with what a worker said when it cannot.
        """
        file = Path(config["file"])
        each = shares(config, workers)
        agreed = time.monotonic_ns() + _AGREED_NS + (len(each) - 1) * _AGREED_EACH_NS
        parts = part_files(file, len(each))
        configs = [{**one, "file": str(part), "start_ns": agreed} for one, part in zip(each, parts, strict=True)]
        started: list[GeneratorProcess] = []
        try:
            for one in configs:
                started.append(await GeneratorProcess.start(one, adopt, module))  # noqa: PERF401 - those before one that fails must be ended
            begun = [await worker.begun() for worker in started]
        except BaseException:
            for worker in started:
                await worker.kill()
            raise
        return cls(config["name"], started, file, min(begun), config["tags"])

    @property
    def parts(self) -> list[Path]:
        """The files that are being written."""
        return [w.file for w in self._workers] if self._sealed is None else [self.file]

    async def ended(self) -> None:
        """Returns when every worker has ended, by itself or because it died."""
        await asyncio.gather(*(w.ended() for w in self._workers))

    def live(self) -> LiveFigures:
        """Where it stands, all workers together."""
        said = [w.live for w in self._workers]
        ok = sum(int(s.get("ok", 0)) for s in said)
        failed = sum(int(s.get("failed", 0)) for s in said)
        in_flight = sum(int(s.get("in_flight", 0)) for s in said)
        rate = sum(w.rate for w in self._workers)
        users = sum(int(s.get("users", 0)) for s in said)
        return LiveFigures(
            sent=ok + failed + in_flight, ok=ok, failed=failed, unknown=0, rate=rate, in_flight=in_flight, users=users
        )

    @property
    def died(self) -> int:
        """How many workers ended without a word."""
        return sum(w.died for w in self._workers)

    @property
    def generators(self) -> int:
        """How many there are."""
        return len(self._workers)

    @property
    def machines(self) -> int:
        """How many others send it; 0: this one does."""
        return 0

    @property
    def clock_ns(self) -> int:
        """To within what the clocks of its generators are known."""
        return 0

    @property
    def doubt(self) -> str:
        """Why its figures cannot be trusted; empty when they can."""
        return f"{self.died} of its {self.generators} generators died" if self.died else ""

    @property
    def complaints(self) -> list[tuple[str, int]]:
        """What scripts and users complained of so far, and how often; the most frequent first."""
        total: Counter[str] = Counter()
        for worker in self._workers:
            for text, times in (worker.result or worker.live).get("script_errors", ()):
                total[text] += times
        return total.most_common(_COMPLAINTS)

    def connected(self) -> int:
        """The most users that had a connection at once, as the workers said so far."""
        return sum(w.connected for w in self._workers)

    def asked(self) -> int:
        """The most users that were asked for, as the workers said so far."""
        return sum(int(w.live.get("asked", 0)) for w in self._workers)

    async def stop(self) -> Sealed:
        """End it, join the parts into one file, seal. A worker that died leaves what it had, and that is said."""
        if self._sealed is not None:
            return self._sealed
        await asyncio.gather(*(w.stop() for w in self._workers))
        if len(self._workers) > 1:
            files = [w.file for w in self._workers]
            self._tags = await asyncio.to_thread(samples.join, files, self.file, self.numbering)
        rows, digest = await asyncio.to_thread(samples.seal, self.file)
        note = f"{self.doubt}: what was in flight is unknown" if self.doubt else ""
        self._sealed = Sealed(file=self.file, rows=rows, sha256=digest, valid=not self.doubt, note=note)
        return self._sealed

    @property
    def numbering(self) -> list[list[str]]:
        """Names of the tags in each part, by number: a script names its own, and each worker numbers them as they come."""
        if self._sealed is not None and len(self._workers) > 1:
            return [self._tags]
        return [[str(t) for t in (w.result or w.live).get("tags", self._tags)] for w in self._workers]

    @property
    def tags(self) -> list[str]:
        """Names of the tags in its file, by number, once it is sealed."""
        return self._tags if len(self._workers) > 1 else self.numbering[0]

    @property
    def said(self) -> Mapping[str, Any]:
        """What the first worker said last."""
        return self._workers[0].result or self._workers[0].live

    @property
    def results(self) -> list[Mapping[str, Any]]:
        """What each worker said at its end: cpu_s, took_s, memory_bytes, tags, asked, reached."""
        return [w.result for w in self._workers if w.result]


def part_files(file: Path, number: int) -> list[Path]:
    """Where each of several generators writes, before they are joined."""
    return [file] if number == 1 else [file.with_suffix(f".{n}{file.suffix}") for n in range(number)]


class GeneratorProcess:
    """One generator process and what it says."""

    def __init__(
        self, process: asyncio.subprocess.Process, file: Path, log: Path, patience_s: float, start_s: float
    ) -> None:
        self.process = process
        self.file = file
        self.live: Mapping[str, Any] = {}
        self.rate = 0.0
        self.connected = 0
        self.result: Mapping[str, Any] = {}
        self._log = log
        self._patience_s = patience_s
        self._start_s = start_s
        self._begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, config: Mapping[str, Any], adopt: Adopt | None, module: str = GENERATOR) -> GeneratorProcess:
        file = Path(config["file"])
        log = file.with_suffix(".log")
        process = await spawn(module, config, log, adopt)
        return cls(process, file, log, config["timeout_ns"] / 1e9 + _STOP_S, config.get("start_s", _START_S))

    async def begun(self) -> int:
        """When it began to send, ns. Raises SeatrialError when it did not."""
        try:
            async with asyncio.timeout(self._start_s):
                return await asyncio.shield(self._begun)
        except TimeoutError:
            late = f"the generator did not start within {self._start_s:g} s: {complaint(self._log)}"
            raise SeatrialError(late) from None
        except asyncio.CancelledError:
            if not self._begun.cancelled():
                raise
        raise SeatrialError(f"the generator did not start: {complaint(self._log)}")

    async def _listen(self) -> None:
        if self.process.stdout is None:
            return
        before: tuple[int, int] | None = None
        while (line := await self.process.stdout.readline()).endswith(
            b"\n"
        ):  # else it was killed in the middle of a word
            said = json.loads(line)
            now = time.monotonic_ns()
            if said["event"] == "started":
                self._begun.set_result(int(said["at_ns"]))
            elif said["event"] == "live":
                if before is None or now - before[0] > 1_000_000_000:
                    self.rate = (said["ok"] - before[1]) / (now - before[0]) * 1e9 if before else 0.0
                    before = (now, said["ok"])
                self.live = said
                self.connected = max(self.connected, said.get("reached") or said["connected"])
            else:
                self.result = said
        await self.process.wait()
        if not self._begun.done():
            self._begun.cancel()

    @property
    def died(self) -> bool:
        return self.process.returncode is not None and not self.result

    @property
    def over(self) -> bool:
        """It has ended, and all that it said was heard."""
        return self._listening.done()

    async def ended(self) -> None:
        await asyncio.wait([self._listening])  # one that was killed is no cancellation of whoever waits for it

    async def stop(self) -> Mapping[str, Any] | None:
        """End it; returns what it said at its end, None when it died."""
        await tell(self.process, {"order": "stop"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await self.ended()
        if self.process.returncode is None:
            await self.kill()
        return self.result or None

    async def kill(self) -> None:
        """At once."""
        await kill(self.process)
        self._listening.cancel()
