"""The absolute timer: wakes the event loop at a moment of CLOCK_MONOTONIC, without drift.

A timerfd where there is one: uvloop's own timers are a millisecond coarse, and relative ones add up their lateness.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

_MONOTONIC, _ABSOLUTE, _NONBLOCK, _CLOEXEC = 1, 1, 0o4000, 0o2000000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class AbsoluteTimer:
    """Calls `wake` at the moment last set with `at`; used from one event loop."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC) if self._libc else -1
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._ring)

    def at(self, ns: int) -> None:
        """Wake at this moment (ns of CLOCK_MONOTONIC); one that is over wakes at once."""
        if self._fd >= 0 and self._libc is not None:
            value = _TimeSpec(ns // 1_000_000_000, ns % 1_000_000_000 or 1)
            self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(_TimerSpec(_TimeSpec(0, 0), value)), None)
        else:
            if self._handle is not None:
                self._handle.cancel()
            self._handle = self._loop.call_later(max(0.0, (ns - time.monotonic_ns()) / 1e9), self._wake)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._wake()

    def close(self) -> None:
        """Wake no more."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
