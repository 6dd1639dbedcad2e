"""Fault `clock-offset`: its clock is wrong."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable

from ..core.errors import NotExercised
from ..core.faults import Testimony
from ..core.platforms import CanExecute, Platform
from ..core.processes import ProcessId
from ..core.quantities import NS_PER_S, format_duration
from ..core.stack import Endpoint, Instance
from .constraining import Constraint

_TIMEOUT_S = 2.0
_TOLERANCE_S = 2.0  # a Date has whole seconds, and takes a while to come
BY_DATE = "the Date of its answers"
BY_REDIS = "its answer to TIME"
BY_COMMAND = "a command that runs as its processes do"


class ClockOffset(Constraint):
    """core.faults.Fault. `offset`."""

    KIND = "clock"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """The time that it tells, against ours: by HTTP or redis, or by a command with its environment."""
        for scheme, witness, ask in _WAYS:
            for endpoint in victim.endpoints.values():
                if endpoint.scheme == scheme and (told := await _asked(endpoint, *ask)) is not None:
                    return self._testify(victim, told, witness)
        if not isinstance(platform, CanExecute):
            raise NotExercised(f"nobody tells the time of {victim.name}")
        result = await platform.execute(victim, ["date", "+%s"], round(_TIMEOUT_S * NS_PER_S))
        told = (
            float(result.stdout) if result.exit_status == 0 and result.stdout.strip().lstrip("-").isdecimal() else None
        )
        if told is None:
            return self.testify(victim, f"`date` does not tell the time there: {result.stderr.strip()}", acted=False)
        return self._testify(victim, told, BY_COMMAND)

    def _testify(self, victim: Instance, told: float, witness: str) -> Testimony:
        off, asked = told - time.time(), self.number("offset") / NS_PER_S
        way = "ahead" if off > 0 else "behind"
        detail = f"{victim.name}: its clock is {format_duration(round(abs(off), 1) * NS_PER_S)} {way}"
        acted = abs(off - asked) <= _TOLERANCE_S
        return Testimony(acted=acted, at_ns=time.monotonic_ns(), witness=witness, detail=detail)


async def _asked(endpoint: Endpoint, question: bytes, read: Callable[[bytes], float | None]) -> float | None:
    """What a connection of its own is told; None for nothing that tells the time."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            try:
                writer.write(question)
                answer = b""
                while (told := read(answer)) is None and (more := await reader.read(4096)):
                    answer += more
                return told
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return None


def _date(answer: bytes) -> float | None:
    for line in answer.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                return email.utils.parsedate_to_datetime(value.decode("ascii", "replace").strip()).timestamp()
            except ValueError:
                return None
    return None


def _redis(answer: bytes) -> float | None:
    words = answer.split(b"\r\n")
    return float(words[2]) if len(words) > 3 and words[0] == b"*2" and words[2].isdigit() else None


_WAYS: tuple[tuple[str, str, tuple[bytes, Callable[[bytes], float | None]]], ...] = (
    ("http", BY_DATE, (b"GET / HTTP/1.0\r\nHost: seatrial\r\n\r\n", _date)),
    ("redis", BY_REDIS, (b"*1\r\n$4\r\nTIME\r\n", _redis)),
)
