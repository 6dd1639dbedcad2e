"""Words and shapes shared by all reports: never colour alone."""

from __future__ import annotations

from ..core.quantities import format_duration

MARK = {
    "PASS": "✔",
    "FAIL": "✘",
    "INCONCLUSIVE": "?",
    "GO": "✔",
    "NO-GO": "✘",
    "RUNNING": "…",
    "SWEPT": "▦",
    "ASKED": "▦",
    "out of scope": "-",
    "not covered": "○",
}
STYLE = {
    "PASS": "green",
    "GO": "bold green",
    "FAIL": "red",
    "NO-GO": "bold red",
    "INCONCLUSIVE": "yellow",
    "RUNNING": "cyan",
    "out of scope": "dim",
    "not covered": "dim",
}


def mark(word: str) -> str:
    """The shape beside a verdict's word."""
    return MARK.get(word, "·")


def style(word: str) -> str:
    """Its colour on a terminal."""
    return STYLE.get(word, "")


def moment(seconds: float) -> str:
    """A time since the trial's start: +42.1 s."""
    return f"+{seconds:.1f} s"


def took(ns: float) -> str:
    """A duration in two or three digits."""
    return format_duration(ns, 2)
