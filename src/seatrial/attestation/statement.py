"""The statement that is signed: in-toto Statement v1 with the test-result predicate v0.1, and what seatrial says beyond it inside.

GO is PASSED; GO with waivers is WARNED; all else is FAILED: INCONCLUSIVE is no pass, and the predicate has no word for it. Our own
predicate stands in it under its type, as in-toto's rules for extension fields have it; who does not know it reads past it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.events import (
    JOURNAL,
    FindingJudged,
    Fingerprinted,
    PartsIdentified,
    TrialEnded,
    TrialStarted,
    plain,
    read_journal,
)
from ..core.fingerprints import TESTED
from ..core.results import Finding
from ..core.verdicts import Outcome, Verdict
from .fingerprinting import spec_files
from .seals import KEEPER, MANIFEST, REPORTS, columns, problems, sha256_of, sign_offs

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
OWN = "https://github.com/seatrial/seatrial/attestation/trial/v1"
WHAT_WAS_TESTED = "what was tested"
SPEC = "spec/"  # before the names of the spec's files among the subjects


@dataclass(kw_only=True)
class Said:
    """What a journal says, as far as a statement needs it."""

    started: TrialStarted
    ended: TrialEnded
    findings: dict[str, Finding]
    print: Fingerprinted | None
    parts: PartsIdentified | None


def said_by(trial: Path) -> Said:
    """Raises UsageError for a trial that has no end."""
    started = ended = prints = parts = None
    findings: dict[str, Finding] = {}
    for entry in read_journal(trial):
        match entry.event:
            case TrialStarted():
                started = entry.event
            case TrialEnded():
                ended = entry.event
            case Fingerprinted():
                prints = entry.event
            case PartsIdentified():
                parts = entry.event
            case FindingJudged(finding=finding):
                findings[finding.id] = finding
    if started is None or ended is None:
        raise UsageError.simple(f"{trial.name} has no end: there is nothing to attest")
    return Said(started=started, ended=ended, findings=findings, print=prints, parts=parts)


def statement(trial: Path, made: datetime, expires: datetime, key: str) -> dict[str, Any]:
    """Of a whole trial. Raises UsageError where its records are not what was sealed."""
    broken = list(problems(trial))
    if broken:
        raise UsageError.simple(f"{trial.name} is not as it was recorded: {'; '.join(broken)}", "run the trial again")
    said = said_by(trial)
    by: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for finding in said.findings.values():
        word = "passed" if finding.verdict is Verdict.PASS else "warned" if finding.waived else "failed"
        by[f"{word}Tests"].append(finding.id)
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects(trial, said)],
        "predicateType": PREDICATE,
        "predicate": {
            "result": result(said),
            "configuration": [
                {"name": said.started.spec, "digest": {"sha256": said.started.digest}},
            ],
            **by,
            OWN: _own(trial, said, made, expires, key),
        },
    }


def result(said: Said) -> str:
    """PASSED, WARNED or FAILED."""
    if said.ended.outcome != Outcome.GO.value:
        return "FAILED"
    return "WARNED" if any(f.waived for f in said.findings.values()) else "PASSED"


def subjects(trial: Path, said: Said) -> Iterator[tuple[str, str]]:
    """Names and digests: what was tested as a whole, each file of its spec, and every file of the trial that counts."""
    if said.parts is not None:
        yield WHAT_WAS_TESTED, said.parts.digest
    for name in (JOURNAL, KEEPER, MANIFEST, TESTED, *REPORTS):
        if (trial / name).exists():
            yield name, sha256_of(trial / name)
    for name, digest in columns(trial).items():
        if name != TESTED:
            yield name, digest
    for name, digest in spec_files(trial).items():
        yield f"{SPEC}{name}", digest
    for part in said.parts.parts if said.parts is not None else ():
        algorithm, _, digest = part.digest.partition(":")
        if algorithm == "sha256":
            yield f"{part.subject}: {part.name}", digest


def _own(trial: Path, said: Said, made: datetime, expires: datetime, key: str) -> Mapping[str, Any]:
    started, ended = said.started, said.ended
    waived = {f.id: f.waived for f in said.findings.values() if f.waived}
    prints = plain(said.print.print) if said.print is not None else {}
    return {
        "trial": started.trial,
        "name": started.name,
        "verdict": ended.outcome,
        "summary": ended.summary,
        "reason": ended.reason,
        "selection": started.selection,
        "variant": started.variant,
        "platform": started.platform,
        "seatrial": started.seatrial,
        "started": started.wall,
        "accounting": plain(ended.accounting),
        "waivers": waived,
        "signOffs": plain(sign_offs(trial)),
        "tested": {**prints, "parts": plain(said.parts.parts) if said.parts is not None else []},
        "made": made.isoformat(timespec="seconds"),
        "expires": expires.isoformat(timespec="seconds"),
        "key": key,
    }
