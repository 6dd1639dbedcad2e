"""The writer of a trial's journal: append-only, one event a line, redacted, synced where it matters."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..core.events import JOURNAL, Event, FaultHealed, FaultInjected, FaultOrdered, FaultWitnessed, TrialEnded, encode
from ..core.redaction import Redactor

_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_AT_ONCE = (FaultOrdered, FaultInjected, FaultWitnessed, FaultHealed, TrialEnded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """All that one writer wrote into one file."""

    bytes: int
    lines: int
    sha256: str


class Journal:
    """One writer of one file. Faults are on disk before the next line of code runs; everything else within `lag_s`."""

    lag_s = 0.2

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._redactor = redactor
        self._file = (directory / JOURNAL).open("ab")
        with contextlib.suppress(OSError):  # there are file systems without locks
            fcntl.flock(
                self._file, fcntl.LOCK_EX
            )  # while it is held, the trial goes on: who remembers trials looks at it
        before = (directory / JOURNAL).read_bytes()  # of a writer that is no more
        self._sum = hashlib.sha256(before)
        self._bytes, self._lines = len(before), before.count(b"\n")
        self._seq = 0
        self._syncing: asyncio.TimerHandle | None = None

    def write(self, event: Event) -> None:
        """Append the event; secrets are struck out here, so no caller can forget to."""
        self._seq += 1
        entry = encode(self._seq, time.monotonic_ns(), event)
        line = _line(entry)
        if not self._redactor.clean(line):
            line = _line(self._redactor.redact(entry))
        data = line.encode()
        self._sum.update(data)
        self._bytes += len(data)
        self._lines += 1
        self._file.write(data)
        self._file.flush()
        if isinstance(event, _AT_ONCE):
            os.fsync(self._file.fileno())
        elif self._syncing is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._syncing = loop.call_later(self.lag_s, self._sync_soon, loop)

    def _sync_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Group commit off the loop: a sync takes milliseconds, and the clients' clock is ticking."""
        self._syncing = None
        if not self._file.closed:
            loop.run_in_executor(None, _sync, os.dup(self._file.fileno()))

    @property
    def written(self) -> Written:
        """What was written so far, for the seal."""
        return Written(bytes=self._bytes, lines=self._lines, sha256=self._sum.hexdigest())

    def close(self) -> None:
        """Sync and close; the journal is complete."""
        if self._file.closed:
            return
        if self._syncing is not None:
            self._syncing.cancel()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(entry: Mapping[str, Any]) -> str:
    return _JSON.encode(entry) + "\n"


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
