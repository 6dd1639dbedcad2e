"""HTTP/1.1: some requests are answered by the link itself, come late, or end their connection."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping

from ..requests import Head
from .base import NS_PER_S, Impairment, share, whole

_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


class Http(Impairment):
    """Of the requests whose path (without the query) matches `path` (a pattern with *) and whose method is `method`, a `share` is hit: with
    a `status` it has that answer and never reaches the service, with `abort` its connection is reset, with `delay_ns` it is late.
    """

    NAME = "http"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__({})
        self._path = str(arguments.get("path", "*"))
        self._method = str(arguments.get("method", ""))
        self._share = share(arguments)
        self.abort = arguments.get("abort") is True
        self.delay = whole(arguments, "delay_ns") / NS_PER_S if "delay_ns" in arguments else 0.0
        status = whole(arguments, "status", 200) if "status" in arguments else 0
        self._answer = _answer(status) if status else b""
        if not (self.abort or self.delay or self._answer):
            raise ValueError("http does nothing: status, abort or delay_ns")

    def hits(self, head: Head) -> bool:
        """Whether a request is one of those; the share is drawn anew for each."""
        if self._method and head.method != self._method:
            return False
        if not fnmatch.fnmatchcase(head.path.partition("?")[0], self._path):
            return False
        return self._share >= 1 or random.random() < self._share  # noqa: S311 - a network, not a secret

    def answer(self, head: Head) -> bytes:
        """In place of the service's; empty where that is to come. An answer to HEAD has no body."""
        return (
            self._answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            if self._answer and head.method == "HEAD"
            else self._answer
        )


def _answer(status: int) -> bytes:
    reason = _REASONS.get(status, "Injected")
    body = b"" if status in (204, 304) else f"{status} {reason}\n".encode()
    length = "" if status in (204, 304) else f"Content-Length: {len(body)}\r\n"
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n{length}X-Fault: seatrial\r\n\r\n".encode() + body
    )
