"""The stack alone: bring it up and leave it running, look at it, end it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..attestation.fingerprinting import PlanFingerprinter
from ..core.errors import UsageError
from ..core.events import PhaseChanged, StackDescribed, StackProgress, plain
from ..core.plan import Plan
from ..core.platforms import Progress
from ..core.processes import Residue
from ..core.redaction import Redactor
from ..engine.journal import Journal
from ..engine.probing import Prober
from ..keeper import KeeperClient, OwnedTrial, list_owned
from ..probes import close as close_probes
from ..spec import compile_spec, compile_stack, compose_file_in
from .directories import new_trial, trials_root
from .places import place
from .running import run_interruptible
from .secrets import Secrets
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console


def stack_plan(path: Path, stack: Path | None = None) -> Plan:
    """The plan of a spec, or of a stack file or compose file alone; a directory means the first of these in it.

    `stack`: a stack file or compose file in place of the spec's own.
    """
    if path.is_dir():
        own = (path / "seatrial.yaml", path / "stack.yaml", compose_file_in(path))
        path = next((p for p in own if p is not None and p.exists()), path / "seatrial.yaml")
    if not path.exists():
        raise UsageError.simple(f"{path} does not exist")
    if is_spec(path):
        return compile_spec(path, vocabulary(), environment=os.environ, variables={}, stack_override=stack)
    alone = compile_stack(stack or path, vocabulary(), environment=os.environ)
    return Plan(name=alone.name, file=path, stack=alone, digest="", files=(stack or path,), stack_file=stack)


def is_spec(path: Path) -> bool:
    """Whether a file is a spec, and not a stack alone."""
    return any(line.startswith("seatrial:") for line in path.read_text(encoding="utf-8").splitlines())


def bring_up(path: Path, root: Path | None, console: Console, stack: Path | None = None) -> int:
    """`seatrial up`."""
    plan = stack_plan(path, stack)
    if plan.stack.platform == "remote":
        raise UsageError.simple("a remote stack runs already: there is nothing to bring up")
    directory = new_trial(f"{plan.name}-stack", plan.file, root, plan.stack_file)
    views = run_interruptible(_up(plan, directory, console))
    for view in views.values():
        for instance in view.instances:
            urls = " ".join(e.url for e in instance.endpoints.values())
            console.print(f"  {instance.name:<22} {urls}", highlight=False)
    console.print(
        f"up, and kept: {directory.name}\nnext: seatrial run --attach {directory.name}   or   seatrial down",
        highlight=False,
    )
    return 0


async def keep_up(plan: Plan, root: Path | None) -> Path:
    """Bring a stack up and leave it running, without a word; the directory of its trial."""
    from rich.console import Console

    directory = new_trial(f"{plan.name}-stack", plan.file, root, plan.stack_file)
    await _up(plan, directory, Console(quiet=True))
    return directory


async def _up(plan: Plan, directory: Path, console: Console) -> Mapping[str, Any]:
    redactor, secrets = Redactor([]), Secrets(plan.secrets)
    prober = Prober(vocabulary(), secrets, redactor)
    # What a later trial holds against the files as they are then: what runs must be what is there.
    printer = PlanFingerprinter(plan=plan, version=__version__, directory=directory, secret=secrets.given)
    await asyncio.to_thread(printer.begin)
    with Journal(directory, redactor) as journal:

        def progress(p: Progress) -> None:
            journal.write(StackProgress(subject=p.subject, state=p.state, detail=p.detail))
            if p.state == "ready":
                console.print(f"  {p.subject} ready", highlight=False)
            elif p.state in ("absent", "given up"):
                console.print(f"  {p.subject} {p.state}, and the stack is whole without: {p.detail}", highlight=False)

        async with place(plan, directory, prober, secrets, redactor) as here:
            journal.write(PhaseChanged(phase="starting"))
            try:
                await here.platform.up(progress)
            finally:
                await close_probes()
            here.keep = True
            views = await here.platform.survey()
            services = tuple(
                {"name": v.name, "kind": v.kind, "instances": plain(list(v.instances))} for v in views.values()
            )
            journal.write(StackDescribed(services=services, up_ns=None, ordered=None))
            return views


def kept(root: Path | None) -> list[OwnedTrial]:
    """Trials whose keeper lives on without an owner."""
    return [t for t in list_owned(trials_root(root)) if t.kept]


def find_kept(name: str | None, root: Path | None) -> Path:
    """The directory of a kept stack, by (the beginning of) its name, `latest`, or because it is the only one."""
    stacks = sorted(kept(root), key=lambda t: t.directory.name)
    names = ", ".join(t.directory.name for t in stacks) or "none"
    if not stacks:
        raise UsageError.simple("no stack is kept running here", "keep one with `seatrial up` or `seatrial run --keep`")
    if name in (None, "latest"):
        if name is None and len(stacks) > 1:
            raise UsageError.simple("several stacks are kept: say which", f"kept: {names}")
        return stacks[-1].directory
    found = [
        t
        for t in stacks
        if name is not None and (t.directory.name.startswith(name) or Path(name).resolve() == t.directory.resolve())
    ]
    if len(found) != 1:
        raise UsageError.simple(
            f"{'several kept stacks begin with' if found else 'no kept stack'} {name!r}", f"kept: {names}"
        )
    return found[0].directory


def bring_down(name: str | None, root: Path | None, *, every: bool) -> int:
    """`seatrial down`."""
    directories = [t.directory for t in kept(root)] if every else [find_kept(name, root)]
    left = False
    for directory in directories:
        lines = end_kept(directory).lines
        sys.stdout.write(
            f"{directory.name}: {'still there: ' + '; '.join(lines) if lines else 'ended, nothing remains'}\n"
        )
        left = left or bool(lines)
    return 1 if left else 0


def end_kept(directory: Path) -> Residue:
    """End a kept stack; what is left."""
    return asyncio.run(_down(directory))


async def _down(directory: Path) -> Residue:
    async with await KeeperClient.attach(directory) as keeper:
        return await keeper.end()


__all__ = ["bring_down", "bring_up", "end_kept", "find_kept", "keep_up", "kept", "stack_plan"]
