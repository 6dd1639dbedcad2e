"""Clusters that loads can be sent from: the address of a dask.distributed scheduler."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:tcp|tls)://(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+):(?P<port>\d{1,5})")
EXAMPLE = "tcp://scheduler:8786"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A scheduler's address, and for TLS files with the authority, our certificate and its key; without them Dask's own configuration
    counts. No address: nothing is said.
    """

    address: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


HERE = Cluster()


def is_address(text: str) -> bool:
    """Whether it is tcp://HOST:PORT or tls://HOST:PORT."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and 0 < int(match["port"]) < 1 << 16
