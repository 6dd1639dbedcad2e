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


def test_what_is_to_be_last_waits_for_all_the_others() -> None:
    end = replace(A, id="end", last=True)
    assert next_batch([end, B, KILL], {}) == [B]
    assert next_batch([end, KILL], {}) == [KILL]
    assert next_batch([end], {}) == [end]
    assert next_batch([end, replace(KILL, needs=("nowhere",))], {}) == [end]
