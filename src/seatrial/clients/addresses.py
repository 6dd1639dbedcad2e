"""Where a client goes, from the addresses of a service."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from ..core.stack import Endpoint


def endpoints_of(urls: Sequence[str], schemes: Sequence[str], default_port: int) -> list[Endpoint]:
    """Those of the wanted schemes; where none has such a scheme, the first one there is. Raises ValueError for a wrong port, or none."""
    found = [_endpoint(url, default_port) for url in urls]
    if not found:
        raise ValueError("no address is given")
    return [e for e in found if e.scheme in schemes] or found[:1]


def _endpoint(url: str, default_port: int) -> Endpoint:
    parts = urlsplit(url)
    return Endpoint(name="", scheme=parts.scheme, host=parts.hostname or "", port=parts.port or default_port)
