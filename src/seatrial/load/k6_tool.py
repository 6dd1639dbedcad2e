"""The process of a generator that runs a k6 script: k6 is its child, whose points it reads live. Its configuration is in api.tools.

k6's exit status is its verdict: 99 when a threshold was crossed, 110 when the script marked itself as failed. When it is stopped from
outside it ends with 105, and its summary says what became of the thresholds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..arrivals.workers import serve, told_to_stop
from ..core import procfs
from .k6_points import Count, Point, Points
from .tool import STOP_S, TICK_S, Tally, cut, left

FAILED, ABORTED = (99, 110), 105
_PR_SET_PDEATHSIG = 1
_CHUNK = 1 << 16
_DRAIN_S = 5.0  # for what is left in the pipe when k6 has ended
_TAIL = 1 << 16  # bytes of its log that its last words are looked for in
_MESSAGE = re.compile(r'level=(?:error|fatal|panic)\b.*?msg=(?P<said>"(?:[^"\\]|\\.)*"|\S+)')


def command(config: Mapping[str, Any], results: str) -> list[str]:
    """k6's command line; `results`: where it writes its points."""
    made = [
        config["program"],
        "run",
        "--out",
        f"json={results}",
        "--summary-export",
        f"{config['prefix']}-summary.json",
    ]
    made += ["--no-usage-report", "--no-color", "--quiet", "--address="]  # no port of its own
    made += ["--vus", str(config["users"])] if config["users"] else []
    made += ["--duration", f"{config['for_ns'] // 1_000_000}ms"] if config["for_ns"] else []
    return [*made, *config["arguments"], config["tool"]]


def verdict(status: int, stopped: bool, thresholds: Mapping[str, bool] | None, last: str) -> tuple[bool | None, str]:
    """What k6 thought of its run. `thresholds`: whether each held, None where the summary cannot be read."""
    crossed = [name for name, held in (thresholds or {}).items() if not held]
    if status in FAILED or (status == ABORTED and stopped and crossed):
        said = f"thresholds were crossed: {', '.join(crossed)}" if crossed else last or "it was marked as failed"
        return False, f"{said} (exit status {status})"
    held = f"{len(thresholds):,} thresholds held" if thresholds else "there are no thresholds"
    if status == 0:
        return True, f"k6 ended with 0; {held}"
    if status == ABORTED and stopped and thresholds is not None:
        return True, f"k6 was stopped as ordered; {held}"
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    return None, f"k6 {how}: {last or 'it says no more'}"


def thresholds_of(summary: object) -> dict[str, bool]:
    """ "metric: threshold" to whether it held, from k6's summary.

    The file of --summary-export says whether a threshold was crossed; the newer form has {"ok": whether it held}.
    """
    metrics = summary.get("metrics") if isinstance(summary, Mapping) else None
    found = {}
    for metric, said in metrics.items() if isinstance(metrics, Mapping) else ():
        given = said.get("thresholds") if isinstance(said, Mapping) else None
        for name, value in given.items() if isinstance(given, Mapping) else ():
            held = value.get("ok") is True if isinstance(value, Mapping) else value is False
            found[f"{metric}: {name}"] = held
    return found


def last_words(log: str) -> str:
    """What a log of k6 complains of last; else its last line."""
    said = [m["said"] for m in _MESSAGE.finditer(log)]
    if said:
        with contextlib.suppress(ValueError):
            return cut(str(json.loads(said[-1])))
        return cut(said[-1])
    lines = log.strip().splitlines()
    return cut(lines[-1]) if lines else ""


class K6:
    """One run of k6."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._prefix = Path(config["prefix"])
        self._tally: Tally | None = None
        self._counts: Counter[str] = Counter()
        self._child: asyncio.subprocess.Process | None = None
        self._cpu_ns = 0

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Until k6 ends, by itself or as ordered."""
        began = time.monotonic_ns()
        child, reading = await self._start()
        self._child = child
        tally = self._tally = Tally(self._config, began, self._cpu)
        points = asyncio.create_task(self._read(reading))
        ticking = asyncio.create_task(self._ticking())
        stop = asyncio.create_task(told_to_stop(orders))
        ended = asyncio.create_task(child.wait())
        await asyncio.wait([stop, ended], return_when=asyncio.FIRST_COMPLETED)
        stopped = not ended.done()
        if stopped:
            await self._interrupt(ended)
        status = await ended
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # what it has left running
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(points, _DRAIN_S)
        ticking.cancel()
        stop.cancel()
        passed, words = verdict(status, stopped, self._thresholds(), last_words(self._said()))
        tally.close(passed, words, left(self._prefix), broke_off=passed is None and not stopped, **self._sums())

    async def _start(self) -> tuple[asyncio.subprocess.Process, int]:
        """(k6, the descriptor that its points come from)."""
        reading, writing = os.pipe()
        try:
            with _file(self._prefix, ".txt") as said, _file(self._prefix, ".log") as log:
                child = await asyncio.create_subprocess_exec(
                    *command(self._config, f"/dev/fd/{writing}"),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=said,
                    stderr=log,
                    pass_fds=(writing,),
                    env={**os.environ, **self._config["environment"]},
                    cwd=self._config["directory"],
                    preexec_fn=_apart(os.getpid()),
                )
        finally:
            os.close(writing)
        return child, reading

    async def _interrupt(self, ended: asyncio.Task[int]) -> None:
        """As Ctrl-C does; at once when it does not end in time."""
        assert self._child is not None
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
            if (await asyncio.wait([ended], timeout=STOP_S))[0]:
                return

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=_CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        points = Points(self._config["url"])
        try:
            while data := await reader.read(_CHUNK):
                between = time.time_ns() - time.monotonic_ns()  # k6 tells the time of the wall clock
                for found in points.feed(data):
                    self._take(found, between)
        finally:
            transport.close()

    def _take(self, found: Point | Count, between: int) -> None:
        assert self._tally is not None
        if isinstance(found, Point):
            self._tally.request(found.tag, found.began - between, found.took, found.error)
        elif found.metric == "data_received":
            self._tally.received(int(found.value))
        elif found.metric == "vus":
            self._tally.running(int(found.value), self._config["users"])
        elif found.metric == "checks":
            self._counts["checks_ok" if found.value else "checks_failed"] += 1
        else:
            self._counts[found.metric] += int(found.value)

    async def _ticking(self) -> None:
        assert self._tally is not None
        while True:
            await asyncio.sleep(TICK_S)
            self._tally.tick(**self._sums())

    def _sums(self) -> dict[str, int]:
        names = ("iterations", "dropped_iterations", "checks_ok", "checks_failed")
        return {n: self._counts[n] for n in names}

    def _cpu(self) -> int:
        """CPU time that k6 has used, ns."""
        stat = procfs.read_stat(self._child.pid) if self._child is not None else None
        if stat is not None:
            self._cpu_ns = max(self._cpu_ns, stat.cpu_ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"))
        return self._cpu_ns

    def _thresholds(self) -> dict[str, bool] | None:
        try:
            return thresholds_of(json.loads(Path(f"{self._prefix}-summary.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def _said(self) -> str:
        with Path(f"{self._prefix}.log").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
            return log.read().decode(errors="replace")


def _file(prefix: Path, suffix: str) -> Any:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    return Path(f"{prefix}{suffix}").open("wb")


def _apart(parent: int) -> Callable[[], None]:
    """What the child does before it is k6: a process group of its own, which ends when the generator dies, where the system can do that."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None

    def prepare() -> None:
        os.setpgid(0, 0)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it died meanwhile
                os._exit(1)

    return prepare


async def work(config: Mapping[str, Any], orders: asyncio.StreamReader) -> None:
    """Run as configured."""
    await K6(config).run(orders)


if __name__ == "__main__":
    serve(work)
