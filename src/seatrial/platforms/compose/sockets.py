"""Connections at a service, as its own network shows them: who is at the other end."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

_ESTABLISHED = "01"


def strangers(pid: int, ports: Collection[int], known: Mapping[str, str]) -> Mapping[str, int]:
    """How many connections to some ports of a process's network come from each of the addresses that are known, by their names."""
    found: Counter[str] = Counter()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, remote, state, *_ = line.split()
            if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) in ports:
                name = known.get(address_of(remote.rpartition(":")[0]))
                if name is not None:
                    found[name] += 1
    return found


def address_of(text: str) -> str:
    """As the kernel prints it: words of 32 bits, each as this machine has it (little-endian on all that it runs on here)."""
    words = b"".join(bytes.fromhex(text[n : n + 8])[::-1] for n in range(0, len(text), 8))
    address = ipaddress.ip_address(words)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
