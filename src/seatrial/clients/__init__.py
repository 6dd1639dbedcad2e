"""Clients of a load or a workload that are more than bytes on a socket: one protocol, a variant a file, its library imported there."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from .protocol import Connector

_EXTRAS: Mapping[str, str] = {
    "http2": "http2", "websocket": "websocket", "grpc": "grpc", "sql": "postgres", "redis": "redis",
}  # fmt: skip
PROTOCOLS = tuple(_EXTRAS)


def connector(protocol: str) -> Connector:
    """What makes clients of a protocol. Raises ImportError, saying what to install."""
    try:
        module = importlib.import_module(f"{__name__}.{protocol}")
    except ImportError as error:
        raise ImportError(f"{error}: pip install 'seatrial[{_EXTRAS[protocol]}]'") from error
    found: Connector = module.connector
    return found
