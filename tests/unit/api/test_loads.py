"""What generators are told of a mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.loads import configuration
from seatrial.core.load_plans import LoadPlan, LoadRequest
from seatrial.core.plan import ProbeCall
from seatrial.core.workloads import RenderedRequest


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_each_request_of_a_mix_has_its_own_identity(protocol: str) -> None:
    people = ("ann", "bob")
    plan = LoadPlan(
        name="mix",
        requests=tuple(LoadRequest(call=ProbeCall(verb="http", what="GET /", identity=p), tag=p) for p in people),
        directory=Path(),
        users=2,
        timeout_ns=1,
        connections=1,
        protocol=protocol,
    )
    sent = [RenderedRequest(urls=("http://web",), method="GET", path="/", headers={"X-User": p}) for p in people]
    found = configuration(plan, sent, Path("mix.load"))
    told = found["requests"] or [o["arguments"] for o in found["operations"]]
    assert [t["headers"] for t in told] == [{"X-User": "ann"}, {"X-User": "bob"}]
    assert found["headers"] == {}
