"""A sweep in words: what clients saw of each fault, the weaknesses with what to try next, and scenarios to paste into a spec."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.events import plain
from ..core.quantities import NS_PER_S, format_duration
from ..core.stack import LINK
from ..core.sweeps import TIME_ALONE, Impact, Seen, Swept, worst
from .model import TrialModel

if TYPE_CHECKING:
    from rich.console import Console

GLYPH: Mapping[Impact, str] = {
    Impact.UNAFFECTED: "✔",
    Impact.SLOWER: "~",
    Impact.ERRORS: "!",
    Impact.DOWN: "▼",
    Impact.WRONG: "≠",
    Impact.STILL_DOWN: "✘",
    Impact.NOT_EXERCISED: "?",
}
_SHORT: Mapping[Impact, str] = {Impact.DOWN: "down", Impact.WRONG: "wrong", Impact.STILL_DOWN: "still down"}
_NOT_BACK = (
    3.5  # how bad it is when nobody starts what crashed, or it is not well after, whatever clients see: worse than down
)
_LASTING = ("stop", "pause")
_RETRIED_NS = 2 * NS_PER_S  # a client that tries again hides less than that


@dataclass(frozen=True, kw_only=True, slots=True)
class Weakness:
    """Cells of a service that call for the same thing, the worst first."""

    cells: tuple[Swept, ...]
    rank: float
    what: str
    next: str

    @property
    def worst(self) -> Swept:
        """The cell that shows it best."""
        return self.cells[0]

    @property
    def name(self) -> str:
        """kill, stop store"""
        return f"{', '.join(c.fault for c in self.cells)} {self.worst.service}"


def cell_of(swept: Swept) -> str:
    """A cell in two words: errors 1.2s."""
    word = _SHORT.get(swept.impact, swept.impact.value)
    figure = figure_of(swept)
    return f"{GLYPH[swept.impact]} {word}" + (f" {figure}" if figure else "")


def figure_of(swept: Swept) -> str:
    """The figure that belongs to what was seen; empty where there is none."""
    seen = worst(swept.seen)
    if seen is None:
        return ""
    match swept.impact:
        case Impact.ERRORS | Impact.DOWN if seen.errors_ns is not None:
            return format_duration(seen.errors_ns[1], 2)
        case Impact.SLOWER:
            pairs = [p for p in (seen.p50_ns, seen.p95_ns) if p is not None]
            ratio = max(now / max(1.0, was) for was, now in pairs)
            return f"{ratio:.1f}x" if ratio < 10 else f"{ratio:.0f}x"
        case Impact.WRONG:
            return f"{seen.differing}"
    return ""


def weaknesses(model: TrialModel) -> list[Weakness]:
    """Worst first; what was not exercised is none."""
    alike: dict[tuple[str, Impact, str], list[Swept]] = {}
    for swept in model.swept:
        if _rank(swept) > 0:
            alike.setdefault((swept.service, swept.impact, _next(swept, model)), []).append(swept)
    found = []
    for (_, _, advice), cells in alike.items():
        cells.sort(key=lambda s: (-_rank(s), -_long(s)))
        what = _what(cells[0])
        found.append(Weakness(cells=tuple(cells), rank=_rank(cells[0]), what=what, next=advice))
    return sorted(found, key=lambda w: (-w.rank, -_long(w.worst)))


def _long(swept: Swept) -> int:
    seen = worst(swept.seen)
    if seen is None:
        return 0
    return seen.errors_ns[1] if seen.errors_ns is not None else seen.differing


def _rank(swept: Swept) -> float:
    if swept.impact is Impact.NOT_EXERCISED:
        return -1
    return max(float(swept.impact.rank), _NOT_BACK if swept.unwell or swept.stayed_down else 0.0)


def _what(swept: Swept) -> str:
    parts = [swept.words] if swept.impact.rank > 0 else []
    if swept.stayed_down:
        parts.append(f"{', '.join(swept.stayed_down)} was not started again until healed")
    parts += [f"not well after the heal: {why}" for why in swept.unwell.values()]
    if swept.late and not swept.unwell and swept.impact is not Impact.STILL_DOWN:
        parts.append(f"not well when the time to recover was over: {swept.late}")
    if swept.mended_by:
        parts.append(f"what helped: {swept.mended_by}")
    return "; ".join(parts)


def _next(swept: Swept, model: TrialModel) -> str:
    """What to try."""
    name = swept.service.partition(LINK)[2] or swept.service
    others = [n for n in swept.unwell if n != name]
    if swept.mended_by == TIME_ALONE:
        return f"{name} takes long to be found again: look at leases, time-outs and back-offs on the way to it; --recover waits longer"
    if swept.impact is Impact.STILL_DOWN or others:
        who = ", ".join(others) or "whoever asks it"
        return f"{who} does not find {name} again: connect anew with a back-off, and have the readiness check say so meanwhile"
    if swept.unwell:
        return f"{name} does not get well by itself: look at its log in logs/, and at what it needs to start"
    if swept.stayed_down and swept.impact is not Impact.WRONG:
        return f"give {name} a restart policy; nobody starts it again after a crash"
    return _for_clients(swept, model, name)


def _for_clients(swept: Swept, model: TrialModel, name: str) -> str:
    """What would spare clients what they saw."""
    link = LINK in swept.service
    match swept.impact:
        case Impact.WRONG:
            return (
                f"an answer that is not the usual one should say so (an error, a header) when {name} is gone; where answers show a time "
                "or a process, ask for another path: --client SERVICE/PATH"
            )
        case Impact.DOWN if link or swept.fault == "pause":
            return f"a time-out shorter than the clients' towards {name}, and an answer without it; or a second instance that takes over"
        case Impact.DOWN if swept.fault in _LASTING:
            return f"every request needs {name}: a second instance, or an answer that does without it"
        case Impact.DOWN:
            held = format_duration(model.sweep.hold_ns if model.sweep else 0)
            return f"{name} was not back in {held}: a second instance, or a quicker start"
        case Impact.ERRORS if link:
            return (
                f"fewer connections that wait for {name}: a shorter time-out, a circuit breaker, an answer without it"
            )
        case Impact.ERRORS if _long(swept) > _RETRIED_NS:
            return f"{name} is missed for longer than a retry bridges: a second instance, a quicker start, or an answer without it"
        case Impact.ERRORS:
            return f"retry what is refused while {name} comes back, or let another instance answer"
        case Impact.SLOWER:
            return f"a shorter time-out towards {name}, a circuit breaker, or an answer without it"
    return f"look at the log of {name} in logs/"


def counts(model: TrialModel) -> str:
    """The sums: 12 cells: 5 unaffected, 2 errors."""
    told = [(i.value, sum(s.impact is i for s in model.swept)) for i in Impact]
    sums = ", ".join(f"{n} {word}" for word, n in told if n) or "none was reached"
    planned = len(model.sweep.cells) if model.sweep is not None else len(model.swept)
    missing = planned - len(model.swept)
    return f"{planned} cells: {sums}" + (f", {missing} not reached" if missing > 0 else "")


def summary(model: TrialModel) -> dict[str, Any]:
    """For programs. Times in seconds since the trial's start."""
    sweep = model.sweep
    return {
        "services": list(sweep.services) if sweep else [],
        "faults": list(sweep.faults) if sweep else [],
        "clients": dict(sweep.clients) if sweep else {},
        "hold_s": sweep.hold_ns / NS_PER_S if sweep else None,
        "summary": counts(model),
        "cells": [_cell(model, s) for s in model.swept],
        "weaknesses": [
            {
                "cells": [f"{c.fault} {c.service}" for c in w.cells],
                "seen": w.worst.impact.value,
                "what": w.what,
                "next": w.next,
            }
            for w in weaknesses(model)
        ],
    }


def _cell(model: TrialModel, swept: Swept) -> dict[str, Any]:
    told = plain(swept)
    times = {
        f"{n.removesuffix('_ns')}_s": round(model.since(told.pop(n)), 3) for n in ("began_ns", "healed_ns", "ended_ns")
    }
    return {**told, **times}


def heat(model: TrialModel) -> dict[str, Any] | None:
    """The matrix as the template wants it; None for a trial that is no sweep."""
    sweep = model.sweep
    if sweep is None:
        return None
    swept = {(s.service, s.fault): s for s in model.swept}
    rows = list(dict.fromkeys(c.partition(" ")[2] for c in sweep.cells))
    return {
        "faults": sweep.faults,
        "rows": [{"service": r, "cells": [_square(swept.get((r, f)), r, f) for f in sweep.faults]} for r in rows],
        "clients": sweep.clients,
        "hold": format_duration(sweep.hold_ns),
        "notes": sweep.notes,
        "counts": counts(model),
        "weaknesses": [
            {"id": w.name, "impact": w.worst.impact.value, "rank": _level(w.worst), "glyph": GLYPH[w.worst.impact],
             "cells": [{"id": f"{c.fault}-{c.service}", "text": cell_of(c), "fault": c.fault} for c in w.cells],
             "what": w.what, "next": w.next}
            for w in weaknesses(model)
        ],
        "legend": [{"glyph": GLYPH[i], "word": i.value, "rank": i.rank if i.rank >= 0 else "none"} for i in Impact],
        "details": [_details(model, s) for s in model.swept],
    }  # fmt: skip


def _level(swept: Swept) -> object:
    return swept.impact.rank if swept.impact.rank >= 0 else "none"


def _square(swept: Swept | None, service: str, fault: str) -> dict[str, Any]:
    if swept is None:
        return {"text": "", "rank": "none", "title": f"{fault} {service} was not reached", "more": "", "id": ""}
    more = "not restarted" if swept.stayed_down else "not well after" if swept.unwell else ""
    return {
        "text": cell_of(swept),
        "rank": _level(swept),
        "title": f"{fault} {service}: {swept.words}",
        "more": more,
        "id": f"{fault}-{service}",
    }


def _details(model: TrialModel, swept: Swept) -> dict[str, Any]:
    return {
        "id": f"{swept.fault}-{swept.service}",
        "name": f"{swept.fault} {swept.service}",
        "target": swept.target,
        "victims": ", ".join(swept.victims),
        "text": cell_of(swept),
        "rank": _level(swept),
        "words": swept.words,
        "witness": swept.witness,
        "at": model.since(swept.began_ns),
        "healed": model.since(swept.healed_ns),
        "seen": [{"client": n, **_row(s)} for n, s in swept.seen.items()],
    }


def _row(seen: Seen) -> dict[str, str]:
    def pair(given: tuple[float, float] | None) -> str:
        return " to ".join(format_duration(v, 2) for v in given) if given else "too few to tell"

    return {
        "impact": seen.impact.value,
        "words": seen.words,
        "samples": f"{seen.before} before, {seen.during} under the fault, {seen.after} after; {seen.failed} failed",
        "p50": pair(seen.p50_ns),
        "p95": pair(seen.p95_ns),
        "compared": seen.compared,
    }


def show(model: TrialModel, directory: Path, console: Console, *, emitted_to: Path | None = None) -> None:
    """The matrix, the weaknesses, and where the rest is."""
    from rich.text import Text

    from .sweep_live import STYLE, matrix

    console.print()
    console.print(matrix(model, console.width))
    console.print()
    console.print(Text(counts(model), style="bold"), soft_wrap=True)
    for note in model.sweep.notes if model.sweep else ():
        console.print(Text(f"  {note}", style="dim"), soft_wrap=True)
    not_exercised = [s for s in model.swept if s.impact is Impact.NOT_EXERCISED]
    for reason in dict.fromkeys(s.words for s in not_exercised):
        cells = [f"{s.fault} {s.service}" for s in not_exercised if s.words == reason]
        shown = ", ".join(cells[:4]) + (f" and {len(cells) - 4} more" if len(cells) > 4 else "")
        console.print(Text(f"  ? {shown}: {reason}", style="yellow"))
    found = weaknesses(model)
    if found:
        console.print()
        console.print(Text("weaknesses, worst first", style="bold"))
    for number, weakness in enumerate(found, 1):
        line = Text(f"{number:>3}. ")
        line.append(f"{weakness.name}: {cell_of(weakness.worst)}", style=STYLE[weakness.worst.impact])
        console.print(line, soft_wrap=True)
        for lead, text, style in (("     ", weakness.what, ""), ("     try: ", weakness.next, "dim")):
            console.print(_indented(lead, text, style, console.width), soft_wrap=True)
    console.print()
    here = Path.cwd()
    place = directory.relative_to(here) if directory.is_relative_to(here) else directory
    console.print(
        Text("nothing of this is a verdict: nobody has declared what would be right", style="dim"), soft_wrap=True
    )
    console.print(Text(f"report: {place / 'report.html'}", style="dim"), soft_wrap=True)
    emitted = emitted_to or place / "sweep.yaml"
    if found:
        console.print(Text(f"as scenarios, to hold it to: {emitted}", style="dim"), soft_wrap=True)


def _indented(lead: str, text: str, style: str, width: int) -> Any:
    """Wrapped, each line as far in as the first."""
    from rich.text import Text

    wide = max(40, width) - 1
    return Text(textwrap.fill(text, wide, initial_indent=lead, subsequent_indent="     "), style=style)
