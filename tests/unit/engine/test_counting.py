"""What was counted since a moment is known, or it is said why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.core.expressions import Missing
from seatrial.core.observations import Observation, Seen, target_error, value
from seatrial.core.plan import CheckPlan, NamedCheck, ProbeCall, ScenarioPlan
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.stack import Target
from seatrial.engine.counting import Counting


class Lookout:
    """A prober with a service of two instances, and the next observation."""

    def __init__(self) -> None:
        self.next = seen(requests=0)
        self.identities = {"web#1": "1 a", "web#2": "2 b"}

    def verb(self, name: str) -> Any:
        return SimpleNamespace(counts=("requests", "bytes_to"))

    async def call(self, call: ProbeCall, values: object, timeout_ns: int) -> Observation:
        return self.next

    async def view(self, service: str) -> Any:
        return SimpleNamespace(instances=[SimpleNamespace(name=n, identity=i) for n, i in self.identities.items()])


def seen(at: str = "web#1", **values: object) -> Observation:
    return Observation(seen=Seen.VALUE, values=values, at=at, record=dict(values))


def size(number: float) -> Quantity:
    return Quantity(number, Dimension.SIZE)


CHECK = CheckPlan(call=ProbeCall(verb="link", what="traffic", at=Target(service="web")), since="begin")
PLAN = ScenarioPlan(id="one", title="", deadline_ns=1, holds=(NamedCheck(id="still", title="", check=CHECK),))


async def since(then: Observation, now: Observation, **identities: str) -> Observation:
    lookout = Lookout()
    counting = Counting(lookout)  # type: ignore[arg-type]
    lookout.next = then
    await counting.mark(PLAN, "setup", {})  # another moment
    await counting.mark(PLAN, "begin", {})
    lookout.identities |= identities
    baseline = counting.baseline("one", "still", CHECK)
    assert baseline is not None
    return await counting.since(CHECK, baseline, now)


async def test_what_was_counted_is_subtracted_and_everything_else_stays() -> None:
    found = await since(seen(requests=3, bytes_to=size(10), open=2), seen(requests=7, bytes_to=size(10), open=1))
    assert found.values == {"requests": 4, "bytes_to": size(0), "open": 1}
    assert found.record["since"] == {
        "moment": "the scenario's begin",
        "then": {"requests": 3, "bytes_to": size(10), "open": 2},
        "difference": {"requests": "4", "bytes_to": "0B"},
    }


async def test_what_had_no_name_then_has_counted_since() -> None:
    assert (await since(seen(requests=Missing("none")), seen(requests=2))).values["requests"] == 2
    assert isinstance((await since(seen(requests=1), seen(requests=Missing("none")))).values["requests"], Missing)


@pytest.mark.parametrize(
    ("then", "now", "identities", "words"),
    [
        (seen(requests=7), seen(requests=3), {}, "it has begun anew"),
        (target_error("refused", "nobody listens"), seen(requests=3), {}, "is not known: nobody listens"),
        (seen(requests=3), seen(at="web#2", requests=3), {}, "web#1 was asked at the scenario's begin, and web#2 now"),
        (seen(requests=3), seen(requests=9), {"web#1": "9 z"}, "web#1 was started anew since the scenario's begin"),
        (seen("web", requests=3), seen("web", requests=9), {"web#2": "9 z"}, "web#2 was started anew"),
    ],
)
async def test_what_cannot_be_told(then: Observation, now: Observation, identities: dict[str, str], words: str) -> None:
    found = await since(then, now, **identities)
    assert found.seen is Seen.PROBE_ERROR
    assert words in found.message


async def test_another_instance_may_start_anew_and_a_target_error_stays_one() -> None:
    assert (await since(seen(requests=3), seen(requests=9), **{"web#2": "9 z"})).values["requests"] == 6
    refused = target_error("refused", "nobody listens")
    assert await since(seen(requests=3), refused) is refused


async def test_a_moment_that_has_not_come() -> None:
    counting = Counting(Lookout())  # type: ignore[arg-type]
    baseline = counting.baseline("one", "still", CHECK)
    assert baseline is not None
    found = await counting.since(CHECK, baseline, value({"requests": 3}))
    assert found.seen is Seen.PROBE_ERROR
    assert "the scenario's begin has not come" in found.message
