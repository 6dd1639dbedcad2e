"""`seatrial history`: past trials, the trend of a finding, what is flaky, slow, or worse than it was. Plain text: it has to be quick."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.quantities import Dimension, format_duration, format_quantity
from ..core.shares import bounds
from ..history import queries
from ..history.database import Database
from ..reports.words import MARK
from .remembering import whole_history

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {
    "GO": "32",
    "PASS": "32",
    "NO-GO": "31",
    "FAIL": "31",
    "INCONCLUSIVE": "33",
    "worse": "31",
    "dim": "2",
    "bold": "1",
}
_SPARK = 60


def show_history(
    root: Path | None, *, last: int, finding: str | None, rounds: bool, name: str | None, as_json: bool
) -> int:
    """The last trials, or one finding. Raises UsageError for a finding that no trial has had."""
    with whole_history(root) as database:
        if finding is not None:
            shown = [_trend(database, f, s, last) for f, s in _asked(database, finding)]
            _out(json.dumps(shown, indent=1, ensure_ascii=False) if as_json else "\n\n".join(map(_trend_text, shown)))
            return 0
        overview = _overview(database, last, rounds, name)
    _out(json.dumps(overview, indent=1, ensure_ascii=False) if as_json else "\n".join(_overview_lines(overview)))
    return 0


def accept_baseline(trial: str, by: str, root: Path | None) -> int:
    """From now on later trials of its spec are held against this one. Raises UsageError for one that is not known."""
    with whole_history(root) as database:
        rows = database.rows("select trial from trials where trial >= ? and trial < ?", trial, trial + "\U0010ffff")
        if trial == "latest":
            rows = database.rows("select trial from trials where part_of = '' order by began desc limit 1")
        if len(rows) != 1:
            problem = f"{len(rows)} trials begin with {trial!r}" if rows else f"no trial {trial!r} in the history"
            raise UsageError.simple(problem, "seatrial history shows them")
        at = datetime.now(UTC).isoformat(sep=" ", timespec="minutes")
        queries.accept(database, rows[0][0], by, at)
    _out(f"{rows[0][0]} is the baseline of its spec from now on: seatrial history says what is worse than there")
    return 0


def _asked(database: Database, finding: str) -> list[tuple[str, str]]:
    found = queries.findings_like(database, finding)
    if not found:
        known = ", ".join(queries.known_findings(database, 12)) or "none: no trial has been run here"
        raise UsageError.simple(f"no trial has had a finding {finding!r}", f"findings: {known}")
    return found


def _overview(database: Database, last: int, rounds: bool, name: str | None) -> dict[str, Any]:
    trials = queries.last_trials(database, last, rounds=rounds, name=name)
    whole, among = queries.counted(database)
    found: dict[str, Any] = {
        "trials": [{**_fields(t), "directory_exists": (Path(t.directory) / "journal.jsonl").exists()} for t in trials],
        "known": whole,
        "rounds": among,
    }
    for spec in dict.fromkeys(t.spec for t in trials):
        mine = next((t for t in trials if t.spec == spec and not t.variant), None)
        base, why = queries.baseline(database, spec, mine.began) if mine is not None else ("", "")
        worse = (
            queries.regressions(database, mine.trial, base) if mine is not None and base and base != mine.trial else []
        )
        found.setdefault("specs", {})[spec] = {
            "trial": mine.trial if mine is not None else "",
            "baseline": base,
            "baseline_is": why,
            "regressions": [_fields(r) for r in worse],
            "flaky": [_fields(f) for f in queries.flaky(database, spec)],
            "slowest": [_fields(s) for s in queries.slowest(database, spec)[:5]],
        }
        if len(found["specs"]) == 3:
            break  # the last ones: what a person works on
    return found


def _overview_lines(found: dict[str, Any]) -> Iterator[str]:
    if not found["trials"]:
        yield "no trial has been run here"
        return
    for t in found["trials"]:
        mark = _colour(f"{MARK.get(t['outcome'], '·')} {t['outcome']:<12}", t["outcome"])
        notes = [f"variant {t['variant']}"] * bool(t["variant"]) + [f"only {t['selection']}"] * bool(t["selection"])
        notes += [f"{t['waived']} waived"] * bool(t["waived"]) + [f"round of {t['part_of']}"] * bool(t["part_of"])
        notes += ["killed"] * t["summary"].startswith("killed")
        notes += ["records gone"] * (not t["directory_exists"])
        line = f"{t['trial']}  {mark} {t['passed']:>4}/{t['planned']:<4} {format_duration(t['took_ns'], 2):>7}  {t['tested'][:8]:<8}"
        yield f"{line}  {_colour('; '.join(notes), 'dim')}".rstrip()
    more = f", {found['rounds']:,} of them rounds of soaks and repetitions (--rounds)" if found["rounds"] else ""
    yield _colour(f"{found['known']:,} trials are known{more}", "dim")
    for spec, s in found.get("specs", {}).items():
        yield from _of_spec(spec, s, many=len(found["specs"]) > 1)


def _of_spec(spec: str, s: dict[str, Any], *, many: bool) -> Iterator[str]:
    if many:
        yield _colour(f"\n{spec}", "bold")
    if s["regressions"]:
        yield _colour(f"\nworse than {s['baseline']} ({s['baseline_is']})", "bold")
        for r in s["regressions"][:10]:
            yield f" {_colour(r['word'], r['word'])} {r['finding']}: {r['after']}, before {r['before']}"
        yield _colour(f" all of it: seatrial compare {s['baseline']} {s['trial']}", "dim")
    if s["flaky"]:
        yield _colour(f"\nflaky: passed and did not, though the same was tested (last {queries.WINDOW} trials)", "bold")
        for f in s["flaky"][:10]:
            yield f" {f['finding']}: {f['passed']} of {f['passed'] + f['others']} passed; {f['trial']}: {f['reason']}"
    if s["slowest"]:
        yield _colour("\nslowest (median of the last trials, least to most)", "bold")
        for w in s["slowest"]:
            spread = f"{format_duration(w['least_ns'], 2)} to {format_duration(w['most_ns'], 2)}"
            yield f" {w['scenario']:<32} {format_duration(w['median_ns'], 2):>7}  {spread}"


def _trend(database: Database, finding: str, spec: str, last: int) -> dict[str, Any]:
    points = queries.trend(database, finding, spec, last)
    counts = queries.counts(database, finding, spec)
    whole, passed = sum(counts.values()), counts.get("PASS", 0)
    low, high = bounds(passed, whole)
    return {
        "finding": finding,
        "spec": spec,
        "counts": dict(counts),
        "passed": {"of": whole, "passed": passed, "at_least": low, "at_most": high, "confidence": 0.95},
        "points": [_fields(p) for p in points],
    }


def _trend_text(found: dict[str, Any]) -> str:
    points, rate = found["points"], found["passed"]
    lines = [
        _colour(f"{found['finding']}", "bold") + f"  {found['spec']}",
        f" passed in {rate['passed']:,} of {rate['of']:,} trials: {_share(rate['at_least'])} to {_share(rate['at_most'])} (95 % each)",
    ]
    marks = "".join(_colour(MARK.get(p["verdict"], "·"), p["verdict"]) for p in points[-_SPARK:])
    lines.append(f" {marks}")
    values = [(p["low"], p["high"]) for p in points if p["low"] is not None]
    if len(values) > 1:
        dimension = Dimension(points[-1]["dimension"] or "number")
        middles = [low if high is None else (low + high) / 2 for low, high in values][-_SPARK:]
        ends = (format_quantity(v, dimension) for v in (min(middles), max(middles)))
        lines.append(f" {sparkline(middles)}  {' to '.join(ends)}")
    for p in points[-12:]:
        said = p["measured"] or p["reason"]
        waived = f"  waived {p['waived']}" if p["waived"] else ""
        lines.append(f"  {p['trial']}  {_colour(MARK.get(p['verdict'], '·'), p['verdict'])} {said}{waived}")
    return "\n".join(lines)


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, the least and the most of them the lowest and the highest."""
    low, high = min(values), max(values)
    step = (high - low) / (len(_BARS) - 1)
    return "".join(_BARS[round((v - low) / step) if step else 0] for v in values)


def _fields(row: Any) -> dict[str, Any]:
    """A row's fields; what `dataclasses.asdict` gives, without its copies."""
    return {name: getattr(row, name) for name in row.__slots__}


def _share(value: float) -> str:
    return f"{value * 100:.3g} %"


def _colour(text: str, word: str) -> str:
    code = _COLOURS.get(word)
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain or code is None or not text else f"\x1b[{code}m{text}\x1b[0m"


def _out(text: str | Iterable[str]) -> None:
    sys.stdout.write(f"{text}\n")
