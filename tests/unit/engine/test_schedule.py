"""Which scenarios run when."""

from __future__ import annotations

from dataclasses import replace

from seatrial.core.plan import ScenarioPlan
from seatrial.core.verdicts import Verdict
from seatrial.engine.schedule import next_batch


def scenario(id_: str, *, disrupting: bool = False, needs: tuple[str, ...] = ()) -> ScenarioPlan:
    return ScenarioPlan(id=id_, title=id_, deadline_ns=1, disrupting=disrupting, needs=needs)


A, B = scenario("a"), scenario("b")
KILL, CUT = scenario("kill", disrupting=True), scenario("cut", disrupting=True)


def test_observing_scenarios_run_together_before_anything_is_broken() -> None:
    assert next_batch([KILL, A, CUT, B], {}) == [A, B]


def test_disrupting_scenarios_run_alone_and_in_order() -> None:
    assert next_batch([KILL, CUT], {}) == [KILL]


def test_a_scenario_waits_for_what_it_needs() -> None:
    later = replace(B, needs=("kill",))
    assert next_batch([later, KILL], {}) == [KILL]
    assert next_batch([A, replace(B, needs=("a",))], {}) == [A, replace(B, needs=("a",))]
    assert next_batch([later, CUT], {"kill": Verdict.PASS}) == [later]


def test_nothing_can_run_when_a_need_never_comes() -> None:
    assert next_batch([replace(A, needs=("nowhere",))], {}) == []


def test_what_is_to_be_alone_follows_those_that_run_together_and_comes_before_what_breaks() -> None:
    alone, also = replace(A, alone=True), replace(B, alone=True)
    together = scenario("c")
    assert next_batch([KILL, alone, also, together], {}) == [together]
    assert next_batch([KILL, alone, also], {}) == [alone]
    assert next_batch([KILL, also], {}) == [also]
    assert next_batch([replace(KILL, alone=True), also], {}) == [also]
    assert next_batch([alone, replace(B, needs=("a",)), KILL], {}) == [alone]
    assert next_batch([replace(B, needs=("a",)), also, KILL], {"a": Verdict.PASS}) == [replace(B, needs=("a",))]


def test_what_comes_after_waits_for_an_end_of_any_kind_and_not_for_what_is_not_there() -> None:
    later = replace(B, after=("kill",))
    assert next_batch([later, KILL], {}) == [KILL]
    assert next_batch([later, CUT], {"kill": Verdict.FAIL}) == [later]
    assert next_batch([later, CUT], {}) == [later]
    assert next_batch([A, replace(B, after=("a",))], {}) == [A, replace(B, after=("a",))]
    assert next_batch([replace(KILL, after=("cut",)), CUT], {}) == [CUT]
    assert next_batch([replace(A, alone=True, after=("b",)), replace(B, alone=True)], {}) == [replace(B, alone=True)]
