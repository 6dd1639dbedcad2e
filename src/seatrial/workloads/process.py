"""A workload's worker process, from the outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..arrivals.records import seal
from ..arrivals.workers import complaint, kill, spawn, tell
from ..core.errors import SeatrialError
from ..core.workloads import Adopt, Sealed

_START_S = 10.0
_STOP_S = 10.0


class WorkloadProcess:
    """A running worker. Made by `start`; `stop` ends it and seals its records."""

    def __init__(self, process: asyncio.subprocess.Process, file: Path, started_ns: int, patience_s: float) -> None:
        self._process = process
        self.file = file
        self.started_ns = started_ns
        self._patience_s = patience_s

    @classmethod
    async def start(cls, config: Mapping[str, Any], adopt: Adopt | None = None) -> WorkloadProcess:
        """Start a worker; returns when it is about to send. Raises SeatrialError with what it said when it cannot.

        `adopt` is told its pid while it waits for its orders: a worker that nobody owns never sends anything.
        """
        log = Path(config["file"]).with_suffix(".log")
        process = await spawn("seatrial.workloads.worker", config, log, adopt)
        line = b""
        try:
            if process.stdout is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_START_S):
                        line = await process.stdout.readline()
        except asyncio.CancelledError:
            await kill(process)
            raise
        if not line:
            await kill(process)
            raise SeatrialError(f"the worker of workload {config['name']} did not start: {complaint(log)}")
        patience = config["timeout_ns"] / 1e9 + _STOP_S
        return cls(process, Path(config["file"]), int(json.loads(line)["at_ns"]), patience)

    @property
    def pid(self) -> int:
        """Of the worker."""
        return self._process.pid

    async def ended(self) -> None:
        """Returns when the worker is no more."""
        await self._process.wait()

    async def stop(self) -> Sealed:
        """Let what is in flight end, seal. A worker that died before leaves what it had, and that is said."""
        answer = b""
        if self._process.stdin is not None and self._process.stdout is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    await tell(self._process, {"order": "stop"})
                    answer = await self._process.stdout.readline()
                    self._process.stdin.close()
                    await self._process.wait()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._process.wait()
        if answer:
            said = json.loads(answer)
            note = "; ".join(said["complaints"])
            return Sealed(file=self.file, rows=said["rows"], sha256=said["sha256"], valid=True, note=note)
        try:
            rows, digest = await asyncio.to_thread(seal, self.file)
        except (OSError, ValueError) as error:
            raise SeatrialError(str(error)) from error
        return Sealed(
            file=self.file, rows=rows, sha256=digest, valid=False, note="its worker died: what was in flight is unknown"
        )
