"""Proofs: which checks were seen to fail in the state that they exist to detect, and which are blind to it."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


class Proven(enum.StrEnum):
    """What was shown of a check."""

    PROVEN = "proven"
    BLIND = "blind"  # green where it had to be red
    WRONG_REASON = "wrong reason"  # not green, and not because of what was broken
    NOT_PROVABLE = "not provable"  # here, and why


class Heard(enum.StrEnum):
    """What a check said of a state."""

    RED = "red"
    GREEN = "green"
    UNSURE = "unsure"  # it could not look, or what it saw was something else
    NOT_ASKED = "not asked"
    SKIPPED = "skipped"  # of a suite's test: it did not want to look
    NO_END = "did not end"  # of a suite's test: not reported when its time was over


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A counter-state: a fault at a service or link, and whether a witness saw it act."""

    id: str  # "stop postgres"
    fault: str
    at: str
    witnessed: bool = True
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reaction:
    """What a check said in a state. `must`: it exists to notice it; `took_ns` until it turned red."""

    finding: str
    state: str
    heard: Heard
    must: bool
    reason: str = ""
    took_ns: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What was shown of one finding's check."""

    finding: str
    outcome: Proven
    by: tuple[str, ...] = ()  # states, "other answers", or variants
    blind_to: tuple[str, ...] = ()
    why: str = ""
    fingerprint: str = ""
    remembered: bool = False  # shown in an earlier proof of the same check


def prove(finding: str, reactions: Iterable[Reaction], deaf: Sequence[str], why_not: str = "") -> Proof:
    """What the reactions of one check, green to begin with, come to. `deaf`: its conditions that any answer meets; `why_not`: why it was
    asked in no state that it has to notice.

    Blind beats all: whatever else it notices, there it would stay green. Nothing that it had to notice: not provable.
    """
    wanted = [r for r in reactions if r.must]
    missed = tuple(r.state for r in wanted if r.heard is Heard.GREEN)
    if missed or deaf:
        words = [f"green in spite of {', '.join(missed)}"] if missed else []
        return Proof(finding=finding, outcome=Proven.BLIND, blind_to=missed, why="; ".join([*words, *deaf]))
    red = tuple(r.state for r in wanted if r.heard is Heard.RED)
    unsure = [r for r in wanted if r.heard in (Heard.UNSURE, Heard.SKIPPED, Heard.NO_END)]
    if unsure:
        why = "; ".join(f"{r.state}: {r.reason}" for r in unsure)
        return Proof(finding=finding, outcome=Proven.WRONG_REASON, by=red, why=why)
    if not red:
        why = next((r.reason for r in wanted if r.reason), why_not or "there is no state that it has to notice")
        return Proof(finding=finding, outcome=Proven.NOT_PROVABLE, why=why)
    return Proof(finding=finding, outcome=Proven.PROVEN, by=red)


def by_variants(proofs: Mapping[str, Proof], seen: Mapping[str, Sequence[str]]) -> dict[str, Proof]:
    """Proofs with what variants have shown: finding to names of variants that turned it red as declared.

    A variant shows that a check can fail, and for the reason that it declares; it does not make one see what it was seen to miss.
    """
    found = dict(proofs)
    for finding, names in seen.items():
        before = found.get(finding)
        words = tuple(f"variant {name}" for name in names)
        if before is None or before.outcome in (Proven.NOT_PROVABLE, Proven.WRONG_REASON):
            found[finding] = Proof(finding=finding, outcome=Proven.PROVEN, by=words)
        elif before.outcome is Proven.PROVEN:
            found[finding] = Proof(finding=finding, outcome=Proven.PROVEN, by=(*before.by, *words))
    return found


def unnoticed(states: Iterable[str], heard: Iterable[tuple[str, str, str]]) -> list[str]:
    """States in which no check is red; `heard` are (finding, state, heard)."""
    red = {state for _, state, word in heard if word == Heard.RED}
    return [s for s in states if s not in red]


def deaf_to_all(heard: Iterable[tuple[str, str, str]]) -> list[str]:
    """Checks that were asked, and are red in no state."""
    asked: dict[str, bool] = {}
    for finding, _, word in heard:
        if word != Heard.NOT_ASKED:
            asked[finding] = asked.get(finding, False) or word == Heard.RED
    return [finding for finding, red in asked.items() if not red]


def alike(heard: Iterable[tuple[str, str, str]]) -> list[list[str]]:
    """Checks that say the same in all states, two or more each: one of them might do. Those that are never red are not among them."""
    rows: dict[str, dict[str, str]] = {}
    for finding, state, word in heard:
        rows.setdefault(finding, {})[state] = word
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for finding, row in rows.items():
        if Heard.RED in row.values():
            groups.setdefault(tuple(sorted(row.items())), []).append(finding)
    return [names for names in groups.values() if len(names) > 1]
