"""What counts as having acted, and acts on several victims at the same time."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.core.errors import SupervisorError
from seatrial.core.platforms import Sighting
from seatrial.core.stack import Endpoint, Instance, InstanceState
from seatrial.faults.acting import describe, each, was_ended

ENDPOINT = Endpoint(name="http", scheme="http", host="127.0.0.1", port=5433)
VICTIM = Instance(
    name="web#1", service="web", ordinal=1, state=InstanceState.RUNNING, ready=True, endpoints={"http": ENDPOINT},
    identity="pid 7 started 1", restarts=0, since_ns=0,
)  # fmt: skip


def sighting(identity: str | None, accepts: bool | None) -> Sighting:
    return Sighting(at_ns=1, alive=identity is not None, identity=identity, stopped=False, accepts=accepts)


@pytest.mark.parametrize(
    ("identity", "accepts", "ended", "words"),
    [
        (None, False, True, "pid 7 started 1 is gone; 127.0.0.1:5433 refuses connections"),
        (None, None, True, "web#1: pid 7 started 1 is gone"),
        (None, True, False, "is gone; 127.0.0.1:5433 accepts connections"),  # something of it lives on
        ("pid 9 started 5", True, True, "pid 7 started 1 is gone, pid 9 started 5 is there"),
        ("pid 7 started 9", False, True, "pid 7 started 1 is gone, pid 7 started 9 is there"),  # a pid used again
        ("pid 7 started 1", False, False, "pid 7 started 1 is there"),
        ("pid 7 started 1", True, False, "pid 7 started 1 is there"),
    ],
)
def test_a_process_has_ended_when_it_is_gone_and_nothing_of_it_answers(
    identity: str | None, accepts: bool | None, ended: bool, words: str
) -> None:
    seen = sighting(identity, accepts)
    assert was_ended(VICTIM, seen) is ended
    assert words in describe(VICTIM, seen)


async def test_all_acts_have_ended_when_the_first_error_is_raised() -> None:
    done, may_go_on = asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        may_go_on.set()
        raise SupervisorError("no such unit")

    async def takes_longer() -> None:
        await may_go_on.wait()
        await asyncio.sleep(0)
        done.set()

    with pytest.raises(SupervisorError, match="no such unit"):
        await each([takes_longer(), fails()])
    assert done.is_set()
