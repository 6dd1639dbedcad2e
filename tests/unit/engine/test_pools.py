"""A look at a pool: every instance that runs has to answer, or the share is the least there was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.core.errors import SeatrialError
from seatrial.core.observations import Observation, Seen
from seatrial.core.plan import ProbeCall
from seatrial.core.stack import Instance, InstanceState
from seatrial.engine.pools import PoolWatch

UP, DOWN = InstanceState.RUNNING, InstanceState.DOWN
Share = tuple[int, int] | str


class Servers:
    """A prober of servers that answer with (taken, most), or fail with a message."""

    def __init__(self, *servers: tuple[InstanceState, Share]) -> None:
        self.servers = servers

    async def view(self, service: str) -> Any:
        if service == "nobody":
            raise SeatrialError("there is no service nobody")
        found = [
            Instance(
                name=f"{service}#{n}",
                service=service,
                ordinal=n,
                state=state,
                ready=True,
                endpoints={},
                identity=None,
                restarts=0,
                since_ns=0,
            )
            for n, (state, _) in enumerate(self.servers, 1)
        ]
        return SimpleNamespace(instances=found)

    async def call(self, call: ProbeCall, _values: object, _timeout_ns: int) -> Observation:
        assert call.at is not None
        assert call.at.ordinal is not None
        said = self.servers[call.at.ordinal - 1][1]
        text = isinstance(said, str)
        return Observation(
            seen=Seen.TARGET_ERROR if text else Seen.VALUE,
            values={} if text else {"rows": [list(said)]},
            message=said if isinstance(said, str) else "",
            started_ns=0,
            ended_ns=1,
        )


@pytest.mark.parametrize(
    ("servers", "share", "why"),
    [
        ([(UP, (3, 100)), (UP, (50, 100))], 0.5, ""),
        ([(UP, "timed out after 1s"), (UP, (3, 100))], 0.03, "db#1: timed out after 1s"),
        ([(UP, "FATAL: sorry, too many clients already"), (UP, (3, 100))], 1.0, ""),
        ([(DOWN, "refused"), (UP, (3, 100))], 0.03, ""),
        ([(UP, "timed out")], None, "db#1: timed out"),
    ],
)
async def test_an_instance_that_runs_and_does_not_answer_is_not_forgotten(
    servers: list[tuple[InstanceState, Share]], share: float | None, why: str
) -> None:
    (look,) = await PoolWatch(Servers(*servers), ["db"]).look()  # type: ignore[arg-type]
    assert (look.share, look.why) == (share, why)


async def test_where_nothing_runs_there_is_no_pool_and_where_nobody_knows_it_is_said() -> None:
    (look,) = await PoolWatch(Servers((DOWN, "refused")), ["db", "nobody"]).look()  # type: ignore[arg-type]
    assert (look.service, look.share, look.why) == ("nobody", None, "there is no service nobody")
