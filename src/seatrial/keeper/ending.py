"""The end of a trial: everything is healed and ended, in reverse order of start, and what remains is said."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Iterable, Sequence
from itertools import groupby

from seatrial.core import procfs
from seatrial.core.processes import Residue
from seatrial.core.quantities import NS_PER_S

from .commands import run_remedies
from .household import Group, wait_until
from .means import Means
from .records import complain, residue_fields
from .signals import describe, send
from .units import Unit

_PATIENCE_NS = 10 * NS_PER_S
_ADOPTED_PATIENCE_NS = 2 * NS_PER_S


async def end_everything(
    means: Means,
    units: Sequence[Unit],
    adopted: Sequence[Group],
    *,
    why: str,
    keep_directories: bool,
) -> Residue:
    """End all commands, adopted processes and units, remove what was claimed. What resists is residue, not an error.

    Instances of one service (``postgres#1``, ``postgres#2``) that were started next to each other end together.
    """
    means.closing = True
    means.records.relax()
    means.records.write("intent", sync=True, act="end", why=why)
    household = means.household
    household.look()
    household.note_memory(household.everyone())
    sockets = means.claims.listening(household.everyone())
    await _all(household.destroy(group) for group in means.commands)
    failures = await run_remedies(means, means.remedies.newest_first())
    await _all(unit.prepare_end() for unit in units)
    # Adopted ones are clients of the units: who ends last would go on sending to ports that may be anybody's by then.
    await _all(_end_adopted(means, group) for group in adopted)
    for _, wave in groupby(reversed(units), key=_service):
        await _all(unit.finish(_PATIENCE_NS) for unit in wave)
    household.look()
    await _all(household.destroy(group) for group in household.groups())
    left = household.everyone()
    remaining: list[str] = []
    if not keep_directories:
        _, remaining = means.claims.remove_directories(means.directory, sure=True)
    me = procfs.identify(os.getpid())
    remaining += means.claims.give_back_locks([me] if me else [])
    residue = Residue(
        processes=tuple(describe(process) for process in left),
        ports=means.claims.still_listening(sockets | means.claims.listening(left)),
        directories=tuple(remaining),
        memory=tuple(household.memory.remove()),
        others=tuple(filter(None, failures)),
    )
    means.records.append("end", {"why": why, "kept": keep_directories, **residue_fields(residue)}, sync=True)
    return residue


def _service(unit: Unit) -> str:
    return unit.order.name.partition("#")[0]


async def _end_adopted(means: Means, group: Group) -> None:
    processes = group.alive()
    for process in processes:
        send(process, signal.SIGTERM)
    deadline_ns = time.monotonic_ns() + _ADOPTED_PATIENCE_NS
    await wait_until(lambda: means.hurry.is_set() or not group.alive(), deadline_ns)
    await means.household.destroy(group)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Do all, whatever becomes of some: what they leave behind is found by looking."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            complain(outcome)
