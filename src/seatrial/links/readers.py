"""Who reads what travels through a link, by the scheme of its endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from .http1 import Http1Requests
from .http2 import Http2Requests

Requests = Http1Requests | Http2Requests
READERS: Mapping[str, type[Requests]] = {"http": Http1Requests, "ws": Http1Requests, "grpc": Http2Requests}
