"""HTTP/1.1: some requests are answered by the link itself, come late, or end their connection."""

from __future__ import annotations

from collections.abc import Mapping

from .base import NS_PER_S, whole
from .gates import Gate, Request

_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


class Http(Gate):
    """With a `status` a request has that answer and never reaches the service, with `abort` its connection is reset, with `delay_ns` it is
    late.
    """

    NAME = "http"
    PROTOCOL = "HTTP/1.1"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self.abort = arguments.get("abort") is True
        self.delay = whole(arguments, "delay_ns") / NS_PER_S if "delay_ns" in arguments else 0.0
        status = whole(arguments, "status", 200) if "status" in arguments else 0
        self._answer = _answer(status) if status else b""
        if not (self.abort or self.delay or self._answer):
            raise ValueError("http does nothing: status, abort or delay_ns")

    def answer_to(self, request: Request) -> bytes:
        """An answer to HEAD has no body."""
        if self._answer and request.method == "HEAD":
            return self._answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return self._answer


def _answer(status: int) -> bytes:
    reason = _REASONS.get(status, "Injected")
    body = b"" if status in (204, 304) else f"{status} {reason}\n".encode()
    length = "" if status in (204, 304) else f"Content-Length: {len(body)}\r\n"
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n{length}X-Fault: seatrial\r\n\r\n".encode() + body
    )
