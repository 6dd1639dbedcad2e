"""A sweep on the terminal while it goes on: the matrix as it fills, where it stands, and how long it may take yet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..core.events import CellStarted, CellSwept, Entry, Noted, PhaseChanged, StackProgress, SweepPlanned
from ..core.sweeps import Impact
from .model import TrialModel
from .sweep import cell_of
from .tail import Tail
from .words import moment, took

EVERY_S = 0.2
STYLE: Mapping[Impact, str] = {
    Impact.UNAFFECTED: "green",
    Impact.SLOWER: "yellow",
    Impact.ERRORS: "dark_orange",
    Impact.DOWN: "red",
    Impact.WRONG: "bold magenta",
    Impact.STILL_DOWN: "bold red",
    Impact.NOT_EXERCISED: "dim",
}
_FIRST_GUESS_NS = 13_000_000_000
_NARROW = 15  # of a column


class SweepFollower:
    """Shows a sweep as it goes: the matrix on a terminal, a line for each cell elsewhere."""

    def __init__(self, directory: Path, console: Console) -> None:
        self.model = TrialModel()
        self._tail = Tail(directory)
        self._console = console
        self._live = Live(console=console, refresh_per_second=6, transient=True) if console.is_terminal else None
        if self._live is not None:
            self._live.start()

    def look(self) -> None:
        """Take in what is new and show it."""
        for entry in self._tail.fresh():
            self.model.feed([entry])
            line = news(self.model, entry, live=self._live is not None)
            if line is not None:
                (self._live.console if self._live else self._console).print(line, highlight=False, soft_wrap=True)
        if self._live is not None:
            self._live.update(now(self.model, self._console.width))

    def close(self) -> None:
        """End the live view."""
        self.look()
        if self._live is not None:
            self._live.update(Text(""))
            self._live.stop()
            self._live = None


def news(model: TrialModel, entry: Entry, *, live: bool) -> Text | None:
    """What is worth a line that stays; cells only where no matrix shows them."""
    event, at = entry.event, f"{moment(model.since(entry.ns)):>9}  "
    match event:
        case PhaseChanged(phase=phase):
            words = {"starting": "starting the stack", "ending": "ending"}
            return Text(at + words[phase], style="dim") if phase in words else None
        case StackProgress(state="ready") if "#" not in event.subject:
            return Text(at).append(f"{event.subject} ready", style="dim")
        case SweepPlanned():
            clients = ", ".join(event.clients.values())
            return Text(at).append(f"{len(event.cells)} cells, while clients ask {clients}", style="dim")
        case CellSwept(swept=swept) if not live:
            done = f"{len(model.swept)}/{len(model.sweep.cells) if model.sweep else '?'}"
            line = Text(f"{at}{done:>6}  ").append(f"{swept.fault} {swept.service}  ")
            return line.append(cell_of(swept), style=STYLE[swept.impact]).append(f"  {swept.words}", style="dim")
        case Noted(level="warning" | "error"):
            return Text(at).append(f"{event.level}: {event.message}", style="yellow")
        case CellStarted():
            return None
    return None


def now(model: TrialModel, width: int) -> RenderableType:
    """The matrix, and what goes on."""
    if model.sweep is None:
        waiting = [f"{p.subject} {p.state}" for p in model.progress.values() if p.state != "ready"]
        words = ", ".join(waiting[-4:]) if model.phase == "starting" else "waiting for a steady state"
        return Text(f"  {words}", style="cyan", no_wrap=True, overflow="ellipsis")
    ns = time.monotonic_ns()
    done, planned = len(model.swept), len(model.sweep.cells)
    foot = f"{done} of {planned} cells, {moment(model.since(ns))}"
    if done < planned:
        foot += f", about {took(left_ns(model, ns))} to go"
    if model.cell is not None:
        foot += f"; now {model.cell.cell}"
    return Group(matrix(model, width), Text(foot, style="dim", no_wrap=True, overflow="ellipsis"))


def left_ns(model: TrialModel, ns: int) -> int:
    """How long it may take yet: as long a cell as those before."""
    sweep = model.sweep
    if sweep is None:
        return 0
    left = len(sweep.cells) - len(model.swept)
    began = model.cells_since_ns
    each = (ns - began) / len(model.swept) if model.swept and began else _FIRST_GUESS_NS
    spent = ns - model.cell_since_ns if model.cell is not None else 0
    return round(max(each * left - min(spent, each), 0))


def matrix(model: TrialModel, width: int) -> Table:
    """Services down, faults across."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    sweep = model.sweep
    if sweep is None:
        return table
    rows = list(dict.fromkeys(c.partition(" ")[2] for c in sweep.cells))
    name = min(max((len(r) for r in rows), default=4), max(10, width // 4))
    wide = min(24, (width - name - 2) // max(1, len(sweep.faults)) - 1)
    table.add_column("", width=name, overflow="fold", style="bold")
    for fault in sweep.faults:
        table.add_column(fault, width=max(_NARROW if width >= 80 else 8, wide) if wide > 8 else None, overflow="fold")
    swept = {(s.service, s.fault): s for s in model.swept}
    for row in rows:
        cells = []
        for fault in sweep.faults:
            cell = swept.get((row, fault))
            if cell is not None:
                more = "\n  not back" if cell.stayed_down else "\n  not well" if cell.unwell else ""
                cells.append(Text(cell_of(cell), style=STYLE[cell.impact]).append(more, style="bold red"))
            elif model.cell is not None and model.ended is None and model.cell.cell == f"{fault} {row}":
                cells.append(Text("▸ now", style="cyan"))
            else:
                cells.append(Text("·" if f"{fault} {row}" in sweep.cells else "", style="dim"))
        table.add_row(row, *cells)
    return table
