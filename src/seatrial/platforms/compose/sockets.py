"""Connections at a service, as its own network shows them: who is at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

_ESTABLISHED = "01"
_WITHIN_S = 5.0


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


async def end_strangers(pid: int, ports: Collection[int], known: Collection[str]) -> None:
    """End them, from where the service is: both sides are told. Where there is no ss, or the kernel cannot, they stay."""
    those = f"( {_either(f'dst {each}' for each in known)} ) and ( {_either(f'sport = :{each}' for each in ports)} )"
    argv = [
        "nsenter",
        "--target",
        str(pid),
        "--net",
        "ss",
        "--kill",
        "--tcp",
        "--numeric",
        "state",
        "established",
        those,
    ]
    with contextlib.suppress(OSError, TimeoutError):
        ended = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_WITHIN_S):
            await ended.wait()


def _either(choices: Iterable[str]) -> str:
    return " or ".join(choices)


def address_of(text: str) -> str:
    """As the kernel prints it: words of 32 bits, each as this machine has it (little-endian on all that it runs on here)."""
    words = b"".join(bytes.fromhex(text[n : n + 8])[::-1] for n in range(0, len(text), 8))
    address = ipaddress.ip_address(words)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
