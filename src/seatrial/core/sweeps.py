"""A sweep: every service under every fault, and what clients saw of each. It describes; nobody declared what would be right.

All times are ns of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from .quantities import NS_PER_S, format_duration

QUIET_NS = 2 * NS_PER_S  # so long every answer has to be right before clients count as served
BEFORE_NS = 3 * NS_PER_S  # and so long before a fault, for it to be told from what was before
LEAST = 10  # answers, below which neither "unaffected" nor "slower" is said
FEW_ANSWERS = 3  # that differ while nothing is broken: with more of them, an answer's text is no sign of anything
_SLOWER_P50, _SLOWER_P95 = 2.0, 3.0
_MORE_P50_NS, _MORE_P95_NS = 5_000_000, 20_000_000  # what is less is no matter of a fault


TIME_ALONE = "time alone"  # what mended a cell that needed more of it


class Impact(enum.StrEnum):
    """What clients saw of a fault, from good to bad; the last one says nothing of them."""

    UNAFFECTED = "unaffected"
    SLOWER = "slower"
    ERRORS = "errors"
    DOWN = "down until healed"
    WRONG = "wrong answers"
    STILL_DOWN = "down after heal"
    NOT_EXERCISED = "not exercised"

    @property
    def rank(self) -> int:
        """How bad: from 0; -1 for what was not exercised."""
        return -1 if self is Impact.NOT_EXERCISED else list(Impact).index(self)


class Sample(NamedTuple):
    """An operation: when it was due, when it ended (0: not yet), whether it was answered well, and a number that stands for the answer
    (0: not known).
    """

    due_ns: int
    done_ns: int
    ok: bool
    answer: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """A fault's course: before `began` all was steady, at `witnessed` it was seen to act, nobody looked any more after `ended`.

    `mending`: the heal changed something; what crashed and was started again before needed none.
    """

    from_ns: int
    began_ns: int
    witnessed_ns: int
    healed_ns: int
    ended_ns: int
    mending: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one client saw. `errors_ns`: how long, as an interval; percentiles in ns, before and while the fault lived."""

    impact: Impact
    words: str
    before: int = 0  # operations
    during: int = 0
    after: int = 0
    failed: int = 0
    differing: int = 0
    errors_ns: tuple[int, int] | None = None
    p50_ns: tuple[float, float] | None = None
    p95_ns: tuple[float, float] | None = None
    compared: str = ""  # what of the answers was held against those before


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A service and a fault. `target` as a spec's `at:`."""

    service: str
    fault: str  # its column: kill, latency ...
    kind: str  # of the vocabulary
    target: str
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """kill store"""
        return f"{self.fault} {self.service}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Swept:
    """A cell that was run. `seen` by client; `unwell`: services that said after the heal that they are not well, or were not ready;
    `stayed_down`: victims that nobody started again before the heal; `late`: what was not well
    yet when clients had had their time after it, `mended_by`: what it took then.
    """

    service: str
    fault: str
    target: str
    impact: Impact
    words: str
    witness: str = ""
    victims: tuple[str, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    unwell: Mapping[str, str] = field(default_factory=dict)
    stayed_down: tuple[str, ...] = ()
    late: str = ""
    mended_by: str = ""
    began_ns: int = 0
    healed_ns: int = 0
    ended_ns: int = 0


class Onlooker(Protocol):
    """Reads what clients have recorded, while they go on."""

    def served(self, file: Path, from_ns: int, to_ns: int) -> bool:
        """Whether everything that was due in that time was answered well, and there was something."""
        ...

    def complaint(self, file: Path) -> str:
        """How most of what was not answered well ended; empty where all was."""
        ...

    def seen(self, file: Path, moments: Moments, patience_ns: int) -> Seen:
        """What a client saw of a fault; an operation may take `patience_ns`."""
        ...


def classify(samples: Sequence[Sample], moments: Moments, pace_ns: float) -> Seen:
    """What a client saw, as exactly one thing; never that it was unaffected where it was hardly there. `pace_ns`: between operations."""
    mine = sorted(s for s in samples if moments.from_ns <= s.due_ns < moments.ended_ns)
    before = [s for s in mine if s.done_ns and s.done_ns <= moments.began_ns]
    during = [s for s in mine if s.due_ns < moments.healed_ns and not (s.done_ns and s.done_ns <= moments.began_ns)]
    after = [s for s in mine if s.due_ns >= moments.healed_ns]
    bad = [s for s in (*during, *after) if not s.ok]
    steady = [s for s in before if s.ok]
    usual, compared = _usual(steady)
    other = [s for s in (*during, *after) if s.ok and usual and s.answer not in usual]
    under = [s for s in during if s.ok]
    enough = len(steady) >= LEAST and len(under) >= LEAST
    counts = {"before": len(before), "during": len(during), "after": len(after), "failed": len(bad)}
    p50, p95 = (_percentiles(steady, under, share) if enough else None for share in (0.5, 0.95))
    errors = _span(mine, bad, pace_ns, moments) if bad else None

    def said(impact: Impact, words: str) -> Seen:
        return Seen(
            impact=impact,
            words=words,
            **counts,
            differing=len(other),
            errors_ns=errors,
            p50_ns=p50,
            p95_ns=p95,
            compared=compared,
        )

    if not steady or len(steady) < len(before):
        wrong = len(before) - len(steady)
        return said(
            Impact.NOT_EXERCISED,
            f"{wrong} of {len(before)} failed before the fault" if before else "no answer before the fault",
        )
    if not during or not after:
        return said(
            Impact.NOT_EXERCISED, f"nothing was sent {'while the fault lived' if not during else 'after the heal'}"
        )
    last = [s for s in after if s.due_ns >= after[-1].due_ns - NS_PER_S]
    if any(not s.ok for s in last):
        share = sum(not s.ok for s in last) / len(last)
        spent = format_duration(after[-1].due_ns - moments.healed_ns, 2)
        return said(Impact.STILL_DOWN, f"{share:.0%} still failed {spent} after the heal")
    if other:
        still = " (still when it was over)" if other[-1].due_ns >= last[0].due_ns else ""
        return said(
            Impact.WRONG, f"{len(other)} answer{'s' if other[1:] else ''} differed from those before the fault{still}"
        )
    if bad and errors is not None:
        end = moments.healed_ns - min(NS_PER_S, (moments.healed_ns - moments.began_ns) // 2)
        answered = any(s.ok and end <= s.done_ns <= moments.healed_ns for s in during)
        long = f"{format_duration(errors[0], 2)} to {format_duration(errors[1], 2)}"
        if moments.mending and during[-1].due_ns >= end and not answered:
            back = min(s.done_ns for s in mine if s.ok and s.done_ns > moments.healed_ns) - moments.healed_ns
            return said(Impact.DOWN, f"no answer until healed, served {format_duration(max(0, back), 2)} after; {long}")
        share = len(bad) / max(1, sum(bad[0].due_ns <= s.due_ns <= bad[-1].due_ns for s in mine))
        return said(Impact.ERRORS, f"{len(bad)} failed in {long}" + (f" ({share:.0%} of them)" if share < 0.95 else ""))
    if not enough or p50 is None or p95 is None:
        return said(Impact.NOT_EXERCISED, f"only {min(len(steady), len(under))} answers to compare: a higher --rate")
    if _slower(p50, _SLOWER_P50, _MORE_P50_NS) or _slower(p95, _SLOWER_P95, _MORE_P95_NS):
        which, (was, now) = ("p95", p95) if p95[1] / max(1.0, p95[0]) > p50[1] / max(1.0, p50[0]) else ("p50", p50)
        times = f"{now / max(1.0, was):.1f}x" if now < 100 * was else f"{now / max(1.0, was):.0f}x"
        return said(
            Impact.SLOWER, f"{which} {times}: {format_duration(was, 2)} before, {format_duration(now, 2)} meanwhile"
        )
    return said(Impact.UNAFFECTED, f"{len(under)} answered meanwhile")


def hit_most(seen: Mapping[str, Seen]) -> str | None:
    """The client that was hit most; one who saw nothing decides where no other was hit: it is not known then."""
    hit = [n for n, s in seen.items() if s.impact.rank > 0]
    blind = [n for n, s in seen.items() if s.impact is Impact.NOT_EXERCISED]

    def badness(name: str) -> tuple[int, int]:
        errors = seen[name].errors_ns
        return seen[name].impact.rank, errors[1] if errors else 0

    return max(hit or blind or list(seen), key=badness, default=None)


def worst(seen: Mapping[str, Seen]) -> Seen | None:
    """What that client saw."""
    name = hit_most(seen)
    return seen[name] if name is not None else None


def _usual(steady: Sequence[Sample]) -> tuple[frozenset[int], str]:
    """The answers while nothing was broken, and what can be compared; none where they differ anyway, or are not known."""
    answers = frozenset(s.answer for s in steady)
    if not answers or 0 in answers:
        return frozenset(), "status"
    if len(answers) > FEW_ANSWERS:
        return frozenset(), "status (bodies differ without a fault, too)"
    return answers, "status and body"


def _percentiles(steady: Sequence[Sample], under: Sequence[Sample], share: float) -> tuple[float, float]:
    return _percentile(steady, share), _percentile(under, share)


def _percentile(samples: Sequence[Sample], share: float) -> float:
    times = sorted(s.done_ns - s.due_ns for s in samples)
    return float(times[min(len(times) - 1, max(0, math.ceil(share * len(times)) - 1))])


def _slower(pair: tuple[float, float], factor: float, more_ns: int) -> bool:
    return pair[1] >= pair[0] * factor and pair[1] - pair[0] >= more_ns


def _span(mine: Sequence[Sample], bad: Sequence[Sample], pace_ns: float, moments: Moments) -> tuple[int, int]:
    """From the first to the last failure at least, from the answer before to the one after at most."""
    first, last = bad[0].due_ns, bad[-1].due_ns
    ok = [s for s in mine if s.ok]
    since = max((s.due_ns for s in ok if s.due_ns < first), default=max(moments.from_ns, first - round(pace_ns)))
    until = min((s.done_ns for s in ok if s.due_ns > last), default=moments.ended_ns)
    return last - first, max(last - first, until - since)
