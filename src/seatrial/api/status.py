"""What runs here: kept stacks with their instances, and soaks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import PlatformError
from ..core.processes import UnitStatus
from ..keeper import OwnedTrial, list_owned
from ..platforms.compose.bringing import recorded
from ..reports.words import style
from .directories import trials_root
from .soaking import shown, soaks_root, told

if TYPE_CHECKING:
    from rich.console import Console


def show_status(name: str | None, root: Path | None, *, as_json: bool, console: Console) -> int:
    """`seatrial status`."""
    soaks = [s for s in shown(root) if name is None or s.name.startswith(name)]
    places = [trials_root(root), *(soaks_root(root) / s.name / "trials" for s in soaks)]
    stacks = [t for p in places for t in list_owned(p) if name is None or t.directory.name.startswith(name)]
    if as_json:
        rows = [
            *(_stack_row(t) for t in stacks),
            *({"soak": s.name, **s.as_fields(), "outcome": s.outcome.value} for s in soaks),
        ]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return 0
    if not stacks and not soaks:
        console.print("no stack is running", highlight=False)
    for soak in soaks:
        where = f"pid {soak.pid}, " if soak.pid and soak.state == "running" else ""
        console.print(f"{soak.name}  {soak.state} ({where}began {soak.began})", highlight=False, style="bold")
        for line, word in told(soak):
            console.print(f"  {line}", style=style(word), highlight=False, markup=False)
    for stack in stacks:
        state = "kept" if stack.kept else "ending" if stack.ending else "in a trial"
        console.print(f"{stack.directory.name}  {state}", highlight=False, style="bold")
        if project := _project(stack):
            console.print(f"  containers: docker compose --project-name {project} ps", highlight=False)
        for unit in stack.units:
            pid = f"pid {unit.process.pid}" if unit.process else f"exit status {unit.exit_status}"
            console.print(
                f"  {unit.name:<22} {unit.state.value:<12} {pid:<14} {unit.restarts} restarts", highlight=False
            )
    return 0


def _stack_row(stack: OwnedTrial) -> dict[str, Any]:
    row = {"trial": stack.directory.name, "kept": stack.kept, "instances": [_unit_row(u) for u in stack.units]}
    project = _project(stack)
    return {**row, "project": project} if project else row


def _project(stack: OwnedTrial) -> str:
    """The project of Compose that it is, if it is one."""
    try:
        return recorded(stack.directory / "stack").name
    except PlatformError:
        return ""


def _unit_row(unit: UnitStatus) -> dict[str, Any]:
    pid = unit.process.pid if unit.process else None
    return {
        "name": unit.name,
        "state": unit.state.value,
        "pid": pid,
        "restarts": unit.restarts,
        "exit_status": unit.exit_status,
    }
