"""A suite of tests that was asked while its stack was broken, in words: its tests, the matrix, and what that tells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.events import plain
from ..core.proofs import Heard, alike, deaf_to_all, unnoticed
from ..core.quantities import format_duration
from .model import TrialModel
from .proofs import GLYPHS, WORDS, matrix, numbered

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}
_MARKS = {"PASS": "✔", "FAIL": "✘", "INCONCLUSIVE": "?"}
_MANY = 6  # names in a remark
_TITLE = f"test  ({', '.join(f'{GLYPHS[h]} {h}' for h in (Heard.RED, Heard.GREEN, Heard.SKIPPED, Heard.NO_END, Heard.UNSURE))})"


def counts(model: TrialModel) -> str:
    """One line: 12 of 20 tests proven, 8 blind."""
    outcomes = [p.outcome for p in model.proofs.values()]
    parts = [f"{outcomes.count('proven')} of {len(outcomes)} tests proven"]
    parts += [f"{n} {word}" for word in list(WORDS)[1:] if (n := outcomes.count(word))]
    if model.suite is not None and not outcomes:
        return "the suite was not asked"
    return ", ".join(parts)


def exit_status(model: TrialModel) -> int:
    """0: every test is proven; 1: one is blind, or red for another reason; 2: something was not shown."""
    outcomes = {p.outcome for p in model.proofs.values()}
    if outcomes & {"blind", "wrong reason"}:
        return 1
    return 0 if outcomes == {"proven"} and model.ended is not None and not model.ended.reason else 2


def remarks(model: TrialModel) -> list[str]:
    """What the matrix tells as a whole."""
    heard = [(r.finding, r.state, r.heard) for r in model.reactions]
    runs = {r.name: r for r in model.suite_runs}
    asked = [s for s in _states(model) if s in runs]
    nobody = unnoticed(asked, heard)
    lines = []
    if quiet := [s for s in nobody if runs[s].quiet]:
        lines.append(f"nothing notices: {', '.join(quiet)}")
    if loud := [s for s in nobody if not runs[s].quiet]:
        lines.append(f"no test by name notices, but the suite does not end well: {', '.join(loud)}")
    if unseen := [s for s in _states(model) if s not in runs]:
        lines.append(f"not asked: {', '.join(unseen)}")
    lines += [
        f"{test} skips itself in {', '.join(states)}{f': {words}' if words else ''}"
        for test, (states, words) in skips(model).items()
    ]
    if silent := deaf_to_all(heard):
        lines.append(f"notice nothing: {_some(silent)}")
    if late := [r for r in model.suite_runs if not r.ended]:
        spent = format_duration(late[0].took_ns, 2)
        lines.append(
            f"the suite did not end in {', '.join(r.name for r in late)} ({spent}): something in it waits without a time-out"
        )
    return lines + [f"say the same here: {_some(names)}" for names in alike(heard)]


def skips(model: TrialModel) -> dict[str, tuple[list[str], str]]:
    """Tests that skip themselves when things break: the states, and their own words."""
    found: dict[str, tuple[list[str], str]] = {}
    for reaction in model.reactions:
        if reaction.heard == Heard.SKIPPED:
            states, words = found.get(reaction.finding, ([], ""))
            found[reaction.finding] = ([*states, reaction.state], words or reaction.reason)
    return found


def summary_of(model: TrialModel) -> dict[str, Any]:
    """For programs."""
    suite = model.suite
    return {
        "suite": suite.command if suite else "",
        "summary": counts(model),
        "reason": model.ended.reason if model.ended else "the trial has no end",
        "limit_s": suite.limit_ns / 1e9 if suite else None,
        "windows": list(suite.windows) if suite else [],
        "tests": [
            {
                "test": p.finding,
                "outcome": p.outcome,
                "red_in": list(p.by),
                "blind_to": list(p.blind_to),
                "why": p.why,
                "skips_in": skips(model).get(p.finding, ([], ""))[0],
                "heard": {r.state: r.heard for r in model.reactions if r.finding == p.finding},
            }
            for p in model.proofs.values()
        ],
        "runs": [{**_without_times(plain(r)), "took_s": round(r.took_ns / 1e9, 3)} for r in model.suite_runs],
        "remarks": remarks(model),
        "notes": list(suite.notes) if suite else [],
    }


def _without_times(run: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in run.items() if n != "took_ns"}


def view(model: TrialModel) -> dict[str, Any] | None:
    """As the template wants it; None for a trial that asked no suite."""
    if model.suite is None:
        return None
    return {
        "command": model.suite.command,
        "counts": counts(model),
        "limit": format_duration(model.suite.limit_ns),
        "notes": model.suite.notes,
        "remarks": remarks(model),
        "runs": [
            {"name": r.name, "text": str(r), "took": format_duration(r.took_ns, 2), "directory": r.directory}
            for r in model.suite_runs
        ],
    }


def show(model: TrialModel, directory: Path, console: Console) -> None:
    """The tests, worst first, the matrix, what it tells, and where the rest is."""
    from rich.table import Table
    from rich.text import Text

    shared = _shared(list(model.proofs))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in (f"test ({shared}...)" if shared else "test", "", "notices, or why not"):
        table.add_column(heading, overflow="fold")
    for proof in sorted(model.proofs.values(), key=lambda p: list(WORDS).index(p.outcome), reverse=True):
        word = WORDS[proof.outcome]
        said = proof.why
        if proof.outcome == "proven":
            said = "; ".join(filter(None, (in_places(proof.by, _states(model)), proof.why)))
        table.add_row(
            Text(proof.finding.removeprefix(shared)),
            Text(f"{_MARKS[word]} {proof.outcome}", style=_STYLES[word]),
            Text(said),
        )
    if model.proofs:
        console.print(table)
    states = list(dict.fromkeys(r.state for r in model.reactions))
    if states:
        console.print()
        console.print(numbered(states), highlight=False, style="dim")
        console.print(matrix(states, model.reactions, _TITLE, without=shared))
    for line in remarks(model):
        console.print(Text(line.replace(shared, "") if shared else line, style="yellow"), soft_wrap=True)
    for note in model.suite.notes if model.suite else ():
        console.print(Text(note, style="dim"), soft_wrap=True)
    console.print()
    if model.ended and model.ended.reason:
        console.print(Text(model.ended.reason, style="yellow"), soft_wrap=True)
    broken = [f for f in model.findings.values() if f.verdict != "PASS"]
    for finding in broken if not (model.ended and model.ended.reason) else ():
        console.print(Text(f"{finding.id}: {finding.reason or finding.measured}", style="yellow"), soft_wrap=True)
    console.print(Text(counts(model), style="bold"))
    here = Path.cwd()
    place = directory.relative_to(here) if directory.is_relative_to(here) else directory
    console.print(
        Text(f"report: {place / 'report.html'}   what each run said: {place / 'suite'}", style="dim"), soft_wrap=True
    )


def in_places(red: Sequence[str], windows: Sequence[str]) -> str:
    """States in few words: a place where all its windows are among them, else each by itself."""
    found: dict[str, None] = {}
    for state in red:
        place = state.partition(" ")[2]
        every = [w for w in windows if w.partition(" ")[2] == place]
        found[place if every and all(w in red for w in every) else state] = None
    return ", ".join(found)


def _shared(names: list[str]) -> str:
    """What all names begin with, up to a dot or a colon of theirs; empty where there is nothing to spare."""
    groups = [f"{n.rpartition('::')[0]}::" if "::" in n else "" for n in names] or [""]
    pairs = zip(min(groups), max(groups), strict=False)
    same = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same[: max(same.rfind("."), same.rfind("::") + 1, same.rfind("/")) + 1]


def _states(model: TrialModel) -> list[str]:
    return list(model.suite.windows) if model.suite else []


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
