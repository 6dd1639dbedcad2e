"""Rows as a trial leaves them."""

from __future__ import annotations

from seatrial.history.records import FindingRow, TrialRow

SPEC = "/x/seatrial.yaml"


def trial(
    number: int, *, outcome: str = "GO", tested: str = "v1", findings: tuple[FindingRow, ...] = (), **more: object
) -> TrialRow:
    given = {
        "trial": f"t{number:03}",
        "name": "shop",
        "spec": SPEC,
        "digest": "d",
        "tested": tested,
        "seatrial": "1",
        "platform": "local",
        "began": f"2026-11-20T{number // 60:02}:{number % 60:02}:00+00:00",
        "took_ns": 10**9,
        "outcome": outcome,
        "summary": outcome,
        "reason": "",
        "selection": "",
        "variant": "",
        "directory": f"/x/t{number:03}",
        "findings": findings,
        "scenarios": (("s", "PASS" if outcome == "GO" else "FAIL", number * 10**9),),
    }
    return TrialRow(**{**given, **more})


def finding(
    verdict: str = "PASS",
    id_: str = "s/back",
    low: float = 1e9,
    high: float | None = 2e9,
    bound: str = "< 30s",
    **more: object,
) -> FindingRow:
    given = {
        "id": id_,
        "scenario": "s",
        "verdict": verdict,
        "severity": "blocking",
        "low": low,
        "high": high,
        "bound": bound,
    }
    return FindingRow(**{**given, "measured": f"{low} to {high}", "dimension": "duration", **more})
