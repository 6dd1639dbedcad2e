"""When a load is stopped: only by what is known, for long enough, and not before its grace is over."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.core.expressions import Missing, compile_expression
from seatrial.core.intervals import Interval
from seatrial.core.load_plans import AbortRule
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.verdicts import Verdict
from seatrial.engine.aborting import AbortWatch

S = 1_000_000_000
BAD: dict[str, object] = {"errors": Interval(0.2, 0.4, Dimension.RATIO), "rate": Quantity(10.0, Dimension.RATE)}
GOOD: dict[str, object] = {"errors": Interval(0.0, 0.01, Dimension.RATIO), "rate": Quantity(99.0, Dimension.RATE)}
UNSURE: dict[str, object] = {"errors": Interval(0.0, 0.4, Dimension.RATIO), "rate": Missing("nobody knows")}


def watch(*conditions: str, after: int = 5, lasting: int = 3) -> AbortWatch:
    rules = [AbortRule(when=compile_expression(c), after_ns=after * S, for_ns=lasting * S) for c in conditions]
    return AbortWatch(rules, 0)


def aborted_at(of: AbortWatch, looks: list[dict[str, Any]]) -> int | None:
    """The second of the look that stopped it; the first look is at 1 s."""
    for second, metrics in enumerate(looks, 1):
        if of.look(metrics, second * S):
            return second
    return None


@pytest.mark.parametrize(
    ("looks", "second"),
    [
        ([BAD] * 20, 8),  # 5 s of grace, then for 3 s
        ([GOOD] * 9 + [BAD] * 20, 13),
        ([GOOD] * 9 + [BAD] * 3 + [GOOD] + [BAD] * 20, 17),  # begins anew
        ([GOOD] * 9 + [BAD] * 3 + [UNSURE] + [BAD] * 20, 17),  # what is not known does not go on being true
        ([GOOD] * 20, None),
        ([UNSURE] * 20, None),
        ([BAD] * 7, None),
    ],
)
def test_a_condition_stops_it_when_it_was_true_for_long_enough(looks: list[dict[str, Any]], second: int | None) -> None:
    assert aborted_at(watch("errors > 10%"), looks) == second


def test_any_of_several_conditions_is_enough_and_is_named() -> None:
    both = watch("errors > 90%", "rate < 80/s", after=0, lasting=0)
    found = both.look(BAD, S)
    assert found is not None
    assert found.condition == "rate < 80/s"
    assert found.measured == "rate = 10/s"
    assert found.figures["errors"]
    assert both.verdict({})[0] is Verdict.FAIL


def test_it_passes_when_each_condition_was_seen_to_be_false() -> None:
    seen = watch("errors > 10%", "rate < 80/s", after=0)
    seen.look(GOOD, S)
    assert seen.told
    assert seen.verdict({}) == (Verdict.PASS, "")


def test_what_its_last_seconds_did_not_tell_the_whole_load_may() -> None:
    unsure = watch("errors > 10%")
    unsure.look(UNSURE, 9 * S)
    assert not unsure.told
    assert unsure.verdict(GOOD)[0] is Verdict.PASS
    assert unsure.verdict(UNSURE)[0] is Verdict.INCONCLUSIVE
    verdict, reason = unsure.verdict(BAD)
    assert verdict is Verdict.INCONCLUSIVE
    assert "too short to be aborted" in reason


def test_a_load_that_nobody_looked_at_to_its_end_is_not_said_to_have_run_on() -> None:
    broken = watch("errors > 10%", after=0, lasting=0)
    broken.look(GOOD, S)
    assert broken.verdict({})[0] is Verdict.PASS
    broken.broken = "its samples could not be read"
    verdict, reason = broken.verdict({})
    assert verdict is Verdict.INCONCLUSIVE
    assert "its samples could not be read" in reason
