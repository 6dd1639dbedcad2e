"""What a workload's effects are read at, and when."""

import time
from types import SimpleNamespace
from typing import Any, cast

from seatrial.core.expressions import compile_path
from seatrial.core.plan import ProbeCall, ReadBack
from seatrial.engine.probing import Seen
from seatrial.engine.workloads import Workloads

S = 1_000_000_000


async def test_what_lags_behind_counts_as_read_earlier() -> None:
    class Prober:
        async def call(self, *_: object) -> object:
            return SimpleNamespace(seen=Seen.VALUE, values={"json": ["a"]}, message="")

    workloads = cast(Any, SimpleNamespace(_prober=Prober(), _several=_nobody))
    call = ProbeCall(verb="http", what="GET /keys", arguments={}, at=None)
    before = time.monotonic_ns()
    read = await Workloads._read(workloads, ReadBack(call=call, path=compile_path("json"), lag_ns=2 * S), {})
    assert read.value == ["a"]
    assert before - 2 * S <= read.began_ns <= time.monotonic_ns() - 2 * S


async def _nobody(at: object) -> str:
    del at
    return ""
