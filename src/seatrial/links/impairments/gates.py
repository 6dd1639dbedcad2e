"""Gates: impairments that hit some requests, and let others pass."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .base import Impairment, share


@dataclass(frozen=True, slots=True)
class Request:
    """What a gate goes by: the method (of gRPC always POST), and the path with its query (of gRPC /package.Service/Method)."""

    method: str
    path: str


class Gate(Impairment):
    """Of the requests whose path (without the query) matches the pattern `path` and whose method is `method`, a `share` is hit."""

    PROTOCOL: str
    answer = b""  # over HTTP/1.1: what is answered in place of the service
    abort = False
    delay = 0.0

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__({})
        self._path = str(arguments.get("path", "*"))
        self._method = str(arguments.get("method", ""))
        self._share = share(arguments)

    def hits(self, request: Request) -> bool:
        """Whether a request is one of those; the share is drawn anew for each."""
        if self._method and request.method != self._method:
            return False
        if not fnmatch.fnmatchcase(request.path.partition("?")[0], self._path):
            return False
        return self._share >= 1 or random.random() < self._share  # noqa: S311 - a network, not a secret


Hit = Callable[[Request], Gate | None]


@dataclass(frozen=True, slots=True)
class Part:
    """What comes of bytes that have arrived: what is passed on, so much later; the gate where it hits a request, and what is answered."""

    data: bytes
    hit: Gate | None = None
    answer: bytes = b""
    delay: float = 0.0
