"""A trial as rows, read from its journal alone: only the few lines that matter are decoded."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.files import JOURNAL, SPEC

_WANTED = tuple(
    f'"type":"{name}"'.encode()
    for name in ("TrialStarted", "PartsIdentified", "CheckProven", "ScenarioEnded", "FindingJudged", "TrialEnded")
)
KILLED = "killed: the trial has no end"


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingRow:
    """A finding as it was judged. `low`, `high`: in the base unit of `dimension`; `took_ns`: from its beginning to its end.

    `proven`: what was known of its check: proven, unproven, blind, wrong reason, not provable; empty: nothing.
    """

    id: str
    scenario: str
    verdict: str
    severity: str
    measured: str = ""
    bound: str = ""
    reason: str = ""
    low: float | None = None
    high: float | None = None
    dimension: str = ""
    took_ns: int = 0
    exercised: bool = True
    waived: str = ""
    proven: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRow:
    """A trial. `tested`: the digest of all that was tested; `part_of`: the soak or repetition of which it was a round; `began`: in UTC."""

    trial: str
    name: str
    spec: str
    digest: str
    tested: str
    seatrial: str
    platform: str
    began: str
    took_ns: int
    outcome: str
    summary: str
    reason: str
    selection: str
    variant: str
    directory: str
    part_of: str = ""
    planned: int = 0
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    waived: int = 0
    findings: tuple[FindingRow, ...] = ()
    scenarios: tuple[tuple[str, str, int], ...] = ()  # id, verdict, took_ns


@dataclass(kw_only=True)
class _Read:
    started: dict[str, Any] | None = None
    ended: dict[str, Any] | None = None
    tested: str = ""
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    scenarios: dict[str, tuple[str, int]] = field(default_factory=dict)
    proven: dict[str, str] = field(default_factory=dict)
    last_ns: int = 0


def read_trial(directory: Path, part_of: str = "") -> TrialRow | None:
    """None for what is no trial: a stack that was brought up alone has a journal, too."""
    found = _Read()
    for entry in _entries(directory / JOURNAL):
        found.last_ns = int(entry.get("ns", 0))
        match entry.get("type"):
            case "TrialStarted":
                found.started = entry
            case "PartsIdentified":
                found.tested = str(entry["digest"])
            case "CheckProven":
                found.proven[str(entry["finding"])] = str(entry["outcome"])
            case "ScenarioEnded":
                found.scenarios[str(entry["scenario"])] = str(entry["verdict"]), int(entry["took_ns"])
            case "FindingJudged":
                found.findings[str(entry["finding"]["id"])] = entry["finding"]
            case "TrialEnded":
                found.ended = entry
    return _row(found, found.started, directory, part_of) if found.started is not None else None


def goes_on(directory: Path) -> bool:
    """Whether the journal's writer lives: it holds a lock for as long."""
    try:
        with (directory / JOURNAL).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _row(found: _Read, started: dict[str, Any], directory: Path, part_of: str) -> TrialRow:
    ended = found.ended or {}
    sums = ended.get("accounting", {})
    before = started.get("proven") or {}
    known = {name: "proven" if by else "unproven" for name, by in before.items()} | found.proven
    rows = tuple(_finding(f, known.get(name, "")) for name, f in found.findings.items())
    verdicts = [r.verdict for r in rows]
    return TrialRow(
        trial=str(started["trial"]),
        name=str(started["name"]),
        spec=_spec_of(directory, str(started["spec"])),
        digest=str(started["digest"]),
        tested=found.tested,
        seatrial=str(started["seatrial"]),
        platform=str(started["platform"]),
        began=str(started["wall"]),
        took_ns=int(ended.get("took_ns", max(0, found.last_ns - int(started["ns"])))),
        outcome=str(ended.get("outcome", "INCONCLUSIVE")),
        summary=str(ended.get("summary", KILLED)),
        reason=str(ended.get("reason", KILLED)),
        selection=str(started.get("selection", "")),
        variant=str(started.get("variant", "")),
        directory=str(directory),
        part_of=part_of,
        planned=int(sums.get("planned", len(started.get("findings", ())))),
        passed=int(sums.get("passed", verdicts.count("PASS"))),
        failed=int(sums.get("failed", verdicts.count("FAIL"))),
        inconclusive=int(sums.get("inconclusive", verdicts.count("INCONCLUSIVE"))),
        waived=int(sums.get("waived", 0)),
        findings=rows,
        scenarios=tuple((name, verdict, took) for name, (verdict, took) in found.scenarios.items()),
    )


def _finding(found: dict[str, Any], proven: str) -> FindingRow:
    interval = found.get("interval")
    low, high = (_number(v) for v in interval) if interval else (None, None)
    return FindingRow(
        id=str(found["id"]),
        scenario=str(found["scenario"]),
        verdict=str(found["verdict"]),
        severity=str(found["severity"]),
        measured=str(found.get("measured", "")),
        bound=str(found.get("bound", "")),
        reason=str(found.get("reason", "")),
        low=low,
        high=high,
        dimension=str(found.get("dimension", "")),
        took_ns=int(found.get("ended_ns", 0)) - int(found.get("began_ns", 0)),
        exercised=bool(found.get("exercised", True)),
        waived=str(found.get("waived", "")),
        proven=proven,
    )


def _spec_of(directory: Path, given: str) -> str:
    """Where the spec is: the journal has it as it was typed, perhaps relative to where nobody is any more."""
    try:
        return (directory / SPEC).read_text(encoding="utf-8").strip()
    except OSError:
        return str(Path(given).absolute())


def _number(value: Any) -> float | None:
    """None for an end that is open: infinities are text in journals."""
    return float(value) if isinstance(value, int | float) else None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for line in file:
                if not any(wanted in line[:200] for wanted in _WANTED):
                    continue
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # torn
                if isinstance(entry, dict):
                    yield entry
    except FileNotFoundError:
        return
