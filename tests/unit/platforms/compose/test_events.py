from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing

from seatrial.core.errors import PlatformError
from seatrial.platforms.compose.clock import EngineClock, Offset
from seatrial.platforms.compose.events import NUMBER, ONE_OFF, PROJECT, SERVICE, EventStream, parse


def clock() -> EngineClock:
    found = EngineClock()
    found.learn(Offset(at_ns=0, ns=1000, bound_ns=3))
    return found


def sent(action: str, ns: int = 5000, **attributes: str) -> dict:
    labels = {PROJECT: "shop", SERVICE: "web", NUMBER: "2", **attributes}
    return {"Type": "container", "Action": action, "Actor": {"ID": "abc", "Attributes": labels}, "timeNano": ns}


def test_an_event_is_mapped_to_our_clock_with_its_bound():
    event = parse(sent("start"), clock())
    assert event is not None
    assert (event.service, event.number, event.container, event.action) == ("web", 2, "abc", "start")
    assert (event.at.ns, event.at.bound_ns) == (4000, 3)


def test_a_death_has_its_exit_status_and_health_its_word():
    death = parse(sent("die", exitCode="137"), clock())
    assert death is not None
    assert death.exit_status == 137
    health = parse(sent("health_status: unhealthy"), clock())
    assert health is not None
    assert (health.action, health.health) == ("health_status", "unhealthy")


def test_what_is_no_instance_of_a_service_is_left_out():
    assert parse(sent("start", **{ONE_OFF: "True"}), clock()) is None
    assert parse({"Type": "network", "Action": "create", "timeNano": 1}, clock()) is None
    assert parse({**sent("start"), "Actor": {"ID": "x", "Attributes": {}}}, clock()) is None
    assert parse(sent("exec_start: sh -c true"), clock()).action == "exec_start"


class Breaking:
    """An engine whose event stream breaks after each batch; what it sends again was sent before."""

    def __init__(self, *batches: list[dict]) -> None:
        self.batches = list(batches)
        self.since: list[str] = []

    async def lines(self, path: str, **query: object):
        self.since.append(str(query["since"]))
        assert json.loads(json.dumps(query["filters"]))["label"] == [f"{PROJECT}=shop"]
        if not self.batches:
            await asyncio.Event().wait()
        for each in self.batches.pop(0):
            yield each
        raise PlatformError("broken off")


async def test_after_a_break_everything_is_told_once_and_somebody_looks():
    now = time.time_ns()
    first, second, third = sent("start", now), sent("die", now + 5), sent("start", now + 9)
    engine = Breaking([first, second], [first, second, third])
    looked, broken = [], []

    async def again() -> None:
        looked.append(1)

    stream = EventStream(engine, "shop", clock())
    seen = []
    async with asyncio.timeout(10), aclosing(stream.follow(broken.append, again)) as events:
        async for event in events:
            seen.append((event.action, event.engine_ns))
            if len(seen) == 3:
                break
    assert seen == [("start", now), ("die", now + 5), ("start", now + 9)]
    assert (len(looked), len(broken), stream.breaks) == (1, 1, 1)
