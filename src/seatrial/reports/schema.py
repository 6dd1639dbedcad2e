"""The published schema of report.json."""

from __future__ import annotations

from typing import Any

_VERDICT = {"enum": ["PASS", "FAIL", "INCONCLUSIVE"]}
_TEXT: dict[str, Any] = {"type": "string"}
_SECONDS = {"type": ["number", "null"], "description": "seconds since the trial's start"}
_TEXTS = {"type": "array", "items": _TEXT}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def report_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. New keys may be added within version 1; none is removed or changes its meaning."""
    finding = _object(
        "id scenario claim verdict measured bound evidence covers severity exercised",
        id=_TEXT,
        scenario=_TEXT,
        claim=_TEXT,
        verdict=_VERDICT,
        severity={"enum": ["blocking", "non-blocking", "informational"]},
        covers=_TEXTS,
        measured=_TEXT,
        bound=_TEXT,
        reason=_TEXT,
        exercised={"type": "boolean"},
        waived={"type": "string", "description": "by whom, until when and why; empty: by nobody"},
        interval={"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        dimension={
            "enum": ["", "duration", "rate", "ratio", "size", "number"],
            "description": "of the interval, in base units",
        },
        from_s=_SECONDS,
        to_s=_SECONDS,
        proven={
            "type": ["array", "null"],
            "items": _TEXT,
            "description": "what has shown that its check can fail; null: no check",
        },
        evidence={
            "type": "array",
            "items": _object("kind summary", kind=_TEXT, summary=_TEXT, at_ns={"type": "integer"}, data={}),
        },
    )
    fault = _object(
        "id scenario kind target victims witnessed healed",
        id=_TEXT,
        scenario=_TEXT,
        kind=_TEXT,
        target=_TEXT,
        victims=_TEXTS,
        at_s=_SECONDS,
        witnessed={"type": "boolean"},
        witnesses={
            "type": "array",
            "items": _object("who saw acted", who=_TEXT, saw=_TEXT, at_s=_SECONDS, acted={"type": "boolean"}),
        },
        healed={"type": "boolean"},
        healed_s=_SECONDS,
    )
    scenario = _object(
        "id title verdict disrupting covers steps",
        id=_TEXT,
        title=_TEXT,
        verdict=_VERDICT,
        disrupting={"type": "boolean"},
        covers=_TEXTS,
        from_s=_SECONDS,
        to_s=_SECONDS,
        reason=_TEXT,
        steps={
            "type": "array",
            "items": _object("id title", id=_TEXT, title=_TEXT, verdict={"type": ["string", "null"]}, message=_TEXT),
        },
    )
    requirement = _object(
        "text verdict findings",
        text=_TEXT,
        verdict={"enum": ["PASS", "FAIL", "INCONCLUSIVE", "out of scope", "not covered"]},
        findings=_TEXTS,
    )
    counts = "planned passed failed inconclusive not_exercised requirements covered out_of_scope not_covered waived"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seatrial report",
        **_object(
            "seatrial verdict trial scenarios requirements findings faults accounting",
            seatrial={"const": 1},
            verdict={"enum": ["GO", "NO-GO", "INCONCLUSIVE", "RUNNING", "SWEPT", "ASKED"]},
            summary=_TEXT,
            reason=_TEXT,
            trial=_object(
                "id name spec platform started duration_s",
                id=_TEXT,
                name=_TEXT,
                spec=_TEXT,
                platform=_TEXT,
                started=_TEXT,
                scale={"type": "number", "description": "of the durations of profiles"},
            ),
            sweep={
                "type": "object",
                "description": "of a sweep: services by faults, what clients saw of each, weaknesses",
            },
            suite={
                "type": "object",
                "description": "of a suite of tests that was asked: its tests, windows, runs, remarks",
            },
            scenarios={"type": "array", "items": scenario},
            requirements={"type": "object", "additionalProperties": requirement},
            findings={"type": "array", "items": finding},
            proofs={
                "type": "array",
                "items": _object(
                    "finding outcome by why",
                    finding=_TEXT,
                    outcome={"enum": ["proven", "blind", "wrong reason", "not provable"]},
                    by=_TEXTS,
                    blind_to=_TEXTS,
                    why=_TEXT,
                ),
            },
            detection={
                "type": "array",
                "items": _object(
                    "finding state heard must",
                    finding=_TEXT,
                    state=_TEXT,
                    heard={"enum": ["red", "green", "unsure", "not asked", "skipped", "did not end"]},
                    must={"type": "boolean"},
                ),
            },
            faults={"type": "array", "items": fault},
            profiles=_TEXTS,
            workloads={"type": "array"},
            accounting={"type": "object", "properties": {name: {"type": "integer"} for name in counts.split()}},
            tested={
                "type": "object",
                "description": "what was tested: groups of files, parts, keyed hashes of environments; digest: of all but those",
                "properties": {"digest": _TEXT, "spec": _TEXT, "configuration": _TEXT, "seatrial": _TEXT},
            },
            residue=_TEXTS,
            notes={"type": "array"},
        ),
    }
