"""Runs a trial beside the reader that shows it, and writes the reports."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import Interrupted
from .running import Request, Run, run_interruptible, run_trial

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.plan import Plan
    from ..reports.model import TrialModel
    from ..reports.terminal import Follower


def follow_on(plan: Plan, request: Request, console: Console, *, quiet: bool = False) -> Run:
    """The same of one run of several. Raises Interrupted where it was stopped: who stops one means all of them."""
    run = follow(plan, request, console, quiet=quiet)
    if run.interrupted:
        raise Interrupted("stopped: what was shown before is kept, and nothing else was tried")
    return run


def follow(plan: Plan, request: Request, console: Console, *, quiet: bool = False) -> Run:
    """Run a plan; shown live unless `quiet`, then its reports are written and its verdict is shown."""
    from ..reports.terminal import verdict
    from .reporting import write_reports

    followed: TrialModel | None
    run: Run
    stops: list[bool] = []
    run, followed = run_interruptible(both(plan, request, console, quiet=quiet), lambda: stops.append(True))
    run = replace(run, interrupted=bool(stops))
    model = write_reports(run.directory, followed)
    if not quiet:
        verdict(model, run.directory, console)
    return run


async def both(
    plan: Plan, request: Request, console: Console, *, quiet: bool = False, **more: Any
) -> tuple[Run, TrialModel | None]:
    """The trial, beside the reader that shows it; what it read. `more` as run_trial takes it."""
    follower: Follower | None = None
    watch: asyncio.Task[None] | None = None

    def started(directory: Path) -> None:
        nonlocal follower, watch
        if not quiet:
            from ..reports.terminal import Follower

            follower = Follower(directory, console)
            watch = asyncio.create_task(_look(follower))

    try:
        run = await run_trial(plan, request, started=started, **more)
    finally:
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        if follower is not None:
            follower.close()
    return run, follower.model if follower is not None else None


async def _look(follower: Follower) -> None:
    from ..reports.terminal import EVERY_S

    while True:
        follower.look()
        await asyncio.sleep(EVERY_S)
