"""What a local stack promises of its services, and what became of it: read from /proc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core import procfs
from ..core.processes import ProcessId
from ..core.stack import LINK, Actual, After, Declaration, Limits
from .instances import Copy
from .starting import Crew

_OWN_ENVIRONMENT = "process"  # the kind whose environment is the user's own; that of the others is their business


def declared(crews: Mapping[str, Crew], host_of_links: str) -> dict[str, Declaration]:
    """Of every service but links and their host. Local processes have no limits and no volumes."""
    return {
        name: _declaration(name, crew, crews)
        for name, crew in crews.items()
        if LINK not in name and name != host_of_links
    }


def _declaration(name: str, crew: Crew, crews: Mapping[str, Crew]) -> Declaration:
    copies, part = crew.copies, crew.part
    own = part.blueprint.kind == _OWN_ENVIRONMENT
    alone = copies[0].blueprint if len(copies) == 1 else None
    return Declaration(
        service=name,
        replicas=len(copies),
        restart=copies[0].blueprint.restart,
        after={n: After.READY for n in part.after if n in crews and LINK not in n},
        health=part.ready is not None,
        ports={e.port: e.port for e in alone.endpoints.values()} if alone else {},
        environment=_of_all([copy.blueprint.environment for copy in copies]) if own else {},
        limits=Limits(),
    )


def _of_all(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all copies have alike: an instance's own name is no promise of the service."""
    return {n: v for n, v in each[0].items() if all(e.get(n) == v for e in each)}


def actual(copy: Copy, process: ProcessId) -> Actual:
    """Of an instance with that process. `reads` lacks the environment where the process has written over it, as some do to show a title."""
    listening = _ports(procfs.unit(process))
    environment = _environment(process.pid)
    wanted = copy.blueprint.environment
    known = {"ports"} | ({"environment"} if not wanted or set(wanted) & set(environment) else set())
    return Actual(
        reads=frozenset(known), environment=environment, ports={port: port for port in listening}, limits=Limits()
    )


def _ports(processes: Sequence[ProcessId]) -> list[int]:
    """TCP ports that any of the processes listens on."""
    mine = {inode for p in processes for inode in procfs.socket_inodes(p.pid)}
    return sorted(port for port, inodes in procfs.listeners().items() if inodes & mine)


def _environment(pid: int) -> dict[str, str]:
    """As it was given to the process; empty where it may not be looked at."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.decode(errors="replace").partition("=") for entry in raw.split(b"\0") if b"=" in entry)
    return {name: value for name, _, value in pairs}
