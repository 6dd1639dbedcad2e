"""A repetition on the terminal, and as report.html and report.json in its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ..core.quantities import format_duration
from ..core.repetitions import ALPHA, BETA, Repetition, always_valid
from ..core.shares import bounds
from ..core.soaks import Tally
from .words import mark


def told_of(repetition: Repetition) -> list[tuple[str, str]]:
    """Lines, each with the word of its colour: the answer, what is flaky and on which evidence, rates, lengths."""
    word = repetition.outcome.value
    lines = [(f"{mark(word)} {repetition.summary()}", word)]
    flaky = repetition.flaky()
    for name, tally in flaky.items():
        lines.append(
            (f"  {mark(tally.worst.value)} flaky: {name}, passed in {_rate(repetition, tally)}", tally.worst.value)
        )
        lines += [(f"      {reason}", "") for reason in tally.reasons]
    for name, tally in repetition.findings.items():
        if name in flaky:
            continue
        shown = f"{tally.range()}" if tally.range() else ""
        line = f"  {mark(tally.worst.value)} {name}, passed in {_rate(repetition, tally)}  {shown}".rstrip()
        lines.append((line, "" if tally.passed else tally.worst.value))
    lines += [(f"  {name} took {took}", "dim") for name, took in repetition.lengths().items()]
    return lines


def report_of(repetition: Repetition) -> dict[str, Any]:
    """For programs. Rates have bounds, each at 95 %; `bounds` says which."""
    question = repetition.question
    return {
        "seatrial": 1,
        "verdict": repetition.outcome.value,
        "summary": repetition.summary(),
        "rounds": repetition.rounds,
        "planned": repetition.times,
        "outcomes": repetition.outcomes,
        "question": {
            "more_than": question.bad,
            "found_at": question.good,
            "alpha": ALPHA,
            "beta": BETA,
            "answer": repetition.answer,
        },
        "bounds": "Clopper and Pearson" if repetition.whole else "confidence sequence",
        "findings": {
            name: {
                "passed": t.passed,
                "failed": t.failed,
                "inconclusive": t.inconclusive,
                "at_least": _bounds(repetition, t)[0],
                "at_most": _bounds(repetition, t)[1],
                "flaky": name in repetition.flaky(),
                "measured": t.range(),
                "reasons": t.reasons,
            }
            for name, t in repetition.findings.items()
        },
        "scenarios": {
            name: {"took_ns": took, "text": repetition.lengths()[name]} for name, took in repetition.took.items()
        },
    }


def write_repetition(repetition: Repetition, directory: Path) -> None:
    """Both files."""
    report = report_of(repetition)
    (directory / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("seatrial.reports", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mark": mark, "duration": format_duration}
    rates = {name: _rate(repetition, tally) for name, tally in repetition.findings.items()}
    text = environment.get_template("repetition.html").render(r=repetition, report=report, rates=rates)
    (directory / "report.html").write_text(text, encoding="utf-8")


def _rate(repetition: Repetition, tally: Tally) -> str:
    return repetition.rate(tally.passed, tally.passed + tally.failed + tally.inconclusive)


def _bounds(repetition: Repetition, tally: Tally) -> tuple[float, float]:
    whole = tally.passed + tally.failed + tally.inconclusive
    return bounds(tally.passed, whole) if repetition.whole else always_valid(tally.passed, whole)
