"""The driver over HTTP/1.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..arrivals.errors import ERRORS
from ..arrivals.records import FAIL, OK, UNKNOWN
from ..clients.http1 import Way
from .driving import Finished
from .http import Pool
from .requests import from_config

CLIENT_ERROR, SERVER_ERROR = ERRORS.index("status-4xx"), ERRORS.index("status-5xx")
_SAFE = ("GET", "HEAD", "OPTIONS")


class HttpDriver:
    """workloads.driving.Driver. The ways in take turns."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._prefix: str = config["prefix"]
        self._accept = frozenset(config["accept"])
        self._writes = config["method"] not in _SAFE
        ways = [Way.of(url, verify=config["verify"]) for url in config["urls"]]
        self._answers = bool(config.get("answers"))
        self._ways = [(Pool(way, reading=self._answers), from_config(config, way)) for way in ways]
        self.tell: Callable[[int, int], None] = lambda _number, _answer: None  # what stands for an operation's answer

    async def prepare(self) -> None:
        """workloads.driving.Driver: a connection costs next to nothing."""

    def attempt(self, number: int, deadline_ns: int, finished: Finished) -> None:
        """workloads.driving.Driver."""
        pool, pattern = self._ways[number % len(self._ways)]

        def answered(status: int, error: int, written: bool) -> None:
            if status and self._answers:
                self.tell(number, pool.answer)
            if status and (200 <= status < 400 or status in self._accept):
                finished(OK, 0, status)
                return
            if status:
                error = CLIENT_ERROR if status < 500 else SERVER_ERROR
            may_have_happened = self._writes and (status >= 500 or (status == 0 and written))
            finished(UNKNOWN if may_have_happened else FAIL, error, status)

        pool.request(pattern.bytes(f"{self._prefix}{number}", number), deadline_ns, answered)

    def sweep(self, now_ns: int) -> None:
        """workloads.driving.Driver."""
        for pool, _ in self._ways:
            pool.sweep(now_ns)

    async def close(self) -> None:
        """workloads.driving.Driver."""
        for pool, _ in self._ways:
            pool.close()

    @property
    def complaints(self) -> list[str]:
        """workloads.driving.Driver: an answer has a status, which is recorded."""
        return []
