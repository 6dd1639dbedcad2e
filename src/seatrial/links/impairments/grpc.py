"""gRPC: some calls are answered by the link itself, or reset."""

from __future__ import annotations

from collections.abc import Mapping

from .base import whole
from .gates import Gate


class Grpc(Gate):
    """With a `code` (a number of gRPC's) a call ends with it and never reaches the service; with `abort` its stream is reset."""

    NAME = "grpc"
    PROTOCOL = "HTTP/2"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self.abort = arguments.get("abort") is True
        self.code = whole(arguments, "code", 1) if "code" in arguments else 0
        if not (self.abort or self.code):
            raise ValueError("grpc does nothing: code or abort")
