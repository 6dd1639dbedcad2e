"""A repetition: the same trial again and again, and how often it passes. What it says is what so many rounds can show, and no more.

The question is whether a round is GO in more than `bad` of all cases. It is put as Wald's sequential probability ratio test (Sequential
Tests of Statistical Hypotheses, 1945) of `bad` against `good`, with the thresholds 1/alpha and beta: the likelihood ratio is a martingale,
so the chance that it ever crosses them wrongly is at most alpha and beta (Ville's inequality), whenever one looks.

Without `at_least` the question is the hardest one that so many rounds can answer, the rate of which all of them pass with the chance alpha:
94.2 % for 50. That test cannot end well before the last round, and then asks for all of them; it ends badly as soon as it can.

Rates of findings have exact binomial bounds (Clopper and Pearson, 1934) where all the rounds were made that were planned. Where they ended
early the number of rounds depends on what was seen, and those bounds say too much; then they are those of a confidence sequence, which hold
at every moment: the rates that the mixture of all likelihoods does not rule out (Robbins, Statistical methods related to the law of the
iterated logarithm, 1970).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from .quantities import format_duration
from .shares import bounds
from .soaks import Soak, Tally
from .verdicts import Outcome

ALPHA = BETA = 0.05
MOST = 10_000
GOOD, BAD, OPEN = "good", "bad", ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Whether rounds pass more often than `bad`; `good` is the rate at which that is to be found with the chance 1 - beta."""

    bad: float
    good: float
    times: int

    @classmethod
    def of(cls, times: int, at_least: float | None = None) -> Question:
        """By a claim, or the hardest that so many rounds can answer. Raises ValueError."""
        if not 1 <= times <= MOST:
            raise ValueError(f"from 1 to {MOST:,} rounds")
        if at_least is not None and not 0 < at_least < 1:
            raise ValueError("a rate between 0 % and 100 %: no number of rounds shows the ends")
        bad = ALPHA ** (1 / times) if at_least is None else at_least
        return cls(bad=bad, good=1 - (1 - bad) / 10, times=times)

    @property
    def soonest(self) -> int:
        """Rounds after which it can end well, if all of them pass."""
        return math.ceil(-math.log(ALPHA) / math.log(self.good / self.bad) - 1e-9)

    def answer(self, passed: int, others: int) -> str:
        """GOOD, BAD, or OPEN as yet."""
        ratio = passed * math.log(self.good / self.bad) + others * math.log((1 - self.good) / (1 - self.bad))
        if ratio >= -math.log(ALPHA) - 1e-9:
            return GOOD
        if ratio <= math.log(BETA) + 1e-9:
            return BAD
        last = passed + others >= self.times
        if last and self.soonest > self.times and bounds(passed, passed + others, 1 - ALPHA)[0] >= self.bad - 1e-12:
            return GOOD  # the test of all rounds; the sequential one could not have ended well before
        return OPEN


def always_valid(passed: int, whole: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Bounds of a rate that hold at every moment together, with the chance 1 - alpha."""
    if whole == 0:
        return 0.0, 1.0
    others = whole - passed
    mixture = math.lgamma(passed + 1) + math.lgamma(others + 1) - math.lgamma(whole + 2)
    least = mixture + math.log(alpha)  # log-likelihoods below it are ruled out

    def held(rate: float) -> bool:
        likelihood = (passed * math.log(rate) if passed else 0.0) + (others * math.log1p(-rate) if others else 0.0)
        return likelihood >= least

    best = passed / whole
    low = 0.0 if passed == 0 else _edge(held, best, 0.0)
    high = 1.0 if others == 0 else _edge(held, best, 1.0)
    return low, high


def _edge(held: Any, inside: float, outside: float) -> float:
    if 0 < inside < 1 or inside != outside:
        for _ in range(60):
            middle = (inside + outside) / 2
            if 0 < middle < 1 and held(middle):
                inside = middle
            else:
                outside = middle
    return outside


@dataclass(kw_only=True)
class Repetition(Soak):
    """What is repeated, and what became of it so far. `took`: lengths of each scenario in ns, a round each."""

    times: int
    at_least: float | None = None
    shared: bool = False  # one stack for all rounds
    took: dict[str, list[int]] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question.of(self.times, self.at_least)

    @property
    def passed(self) -> int:
        """Rounds that were GO."""
        return self.outcomes.get(Outcome.GO.value, 0)

    @property
    def answer(self) -> str:
        """GOOD, BAD or OPEN."""
        return self.question.answer(self.passed, self.rounds - self.passed)

    @property
    def over(self) -> bool:
        return self.rounds >= self.times or self.answer != OPEN

    @property
    def whole(self) -> bool:
        """Whether all the rounds that were planned were made."""
        return self.rounds >= self.times

    def time(self, took: Iterable[tuple[str, int]]) -> None:
        """The lengths of a round's scenarios."""
        for scenario, ns in took:
            self.took.setdefault(scenario, []).append(ns)

    @property
    def outcome(self) -> Outcome:
        """GO where the rate was shown, NO-GO where it was shown to be too low by rounds that were NO-GO; by its stack's end, too."""
        if self.ending == Outcome.NO_GO.value:
            return Outcome.NO_GO
        answer = self.answer
        if answer == BAD:
            return Outcome.NO_GO if self.outcomes.get(Outcome.NO_GO.value) else Outcome.INCONCLUSIVE
        good = answer == GOOD and self.ending in ("", Outcome.GO.value) and not self.drifted
        return Outcome.GO if good else Outcome.INCONCLUSIVE

    def rate(self, passed: int, whole: int) -> str:
        """So many of so many, and what that shows."""
        low, high = bounds(passed, whole) if self.whole else always_valid(passed, whole)
        if passed == whole:
            return f"{passed:,} of {whole:,}: at least {down(low)}"
        return f"{passed:,} of {whole:,}: {down(low)} to {up(high)}"

    def left(self) -> str:
        return f"{self.times - self.rounds:,} rounds"

    def summary(self) -> str:
        bad = down(self.question.bad)
        words = {
            GOOD: f"more than {bad} of all rounds pass",
            BAD: f"it cannot be said that more than {bad} of all rounds pass",
            OPEN: f"whether more than {bad} of all rounds pass is open",
        }[self.answer]
        early = "" if self.whole else f", ended after {self.rounds:,} of {self.times:,} rounds"
        return f"{self.outcome}: {words}{early}; GO in {self.rate(self.passed, self.rounds)} (at 95 %){self.drift()}"

    def flaky(self) -> dict[str, Tally]:
        """Findings that passed in some rounds and did not in others, the worst first."""
        mixed = {n: t for n, t in self.findings.items() if t.passed and (t.failed or t.inconclusive)}
        return dict(sorted(mixed.items(), key=lambda item: item[1].passed))

    def lengths(self) -> dict[str, str]:
        """Scenario -> median, the middle half, least and most."""
        return {name: spread(took) for name, took in self.took.items() if took}


def spread(took: list[int]) -> str:
    """As a person reads it."""
    if len(took) < 2:
        return format_duration(took[0], 2)
    first, middle, third = quantiles(took, n=4, method="inclusive")
    ends = f"{format_duration(min(took), 2)} to {format_duration(max(took), 2)}"
    return f"{format_duration(middle, 2)}, half of them {format_duration(first, 2)} to {format_duration(third, 2)}, all {ends}"


def down(share: float) -> str:
    """A share in %, never more than it is."""
    return _percent(share, math.floor)


def up(share: float) -> str:
    """Likewise, never less."""
    return _percent(share, math.ceil)


def _percent(share: float, to: Any) -> str:
    """With as many digits as tell it from the nearer end."""
    digits = max(0, math.ceil(-math.log10(max(1e-9, min(share, 1 - share) * 100)))) + 1 if 0 < share < 1 else 0
    shown = to(round(share * 100 * 10**digits, 6)) / 10**digits
    return f"{shown:.{digits}f} %"
