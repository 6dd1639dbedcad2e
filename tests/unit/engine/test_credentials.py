"""Credentials that an identity makes: when they are made anew, and that nobody reads them."""

from __future__ import annotations

import asyncio

import jwt
import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.plan import IdentityPlan, ProbeCall
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.redaction import Redactor
from seatrial.core.templates import Template
from seatrial.engine.probing import Prober
from seatrial.engine.rendering import rendered

KEY = "a-secret-of-this-trial-that-nobody-reads"


@pytest.fixture
def prober() -> Prober:
    made = Prober(vocabulary(), lambda name: KEY, Redactor())
    claims = {"sub": Template.parse("{{ who }}"), "n": [1]}
    arguments = {"key": Template.parse("${secret:KEY}"), "claims": claims}
    short = {**arguments, "lifetime": Quantity(1e6, Dimension.DURATION)}
    plans = (
        IdentityPlan(name="alice", kind="jwt", arguments=arguments, headers={"X-From": "here"}),
        IdentityPlan(name="soon", kind="jwt", arguments=short),
        IdentityPlan(name="none", kind="jwt", arguments={**arguments, "broken": "missing"}),
    )
    made.know({p.name: p for p in plans}, lambda: {"who": "alice"})
    return made


async def test_a_token_is_kept_while_it_has_half_of_its_life_left(prober: Prober) -> None:
    first = await prober.credentials("alice")
    assert await prober.credentials("alice") is first
    assert first["X-From"] == "here"
    assert jwt.decode(first["Authorization"][7:], KEY, algorithms=["HS256"])["sub"] == "alice"
    await prober.credentials("soon")
    before = prober._tokens["soon"]
    await asyncio.sleep(0.002)  # seatrial: allow pause because half of its life has to pass
    await prober.credentials("soon")
    assert prober._tokens["soon"] is not before
    prober._tokens["alice"] = (first, 0)
    assert await prober.credentials("alice") is not first
    assert await prober.credentials("none") == {}


async def test_who_sends_for_long_has_a_new_one(prober: Prober) -> None:
    first = await prober.credentials("alice")
    call = ProbeCall(verb="http", what="GET http://127.0.0.1:1/x", identity="alice")
    request = await rendered(prober, "load", call, {})
    assert request.headers["Authorization"].startswith("Bearer ey")
    assert prober._tokens["alice"][0] is not first
    assert await prober.credentials("alice") is prober._tokens["alice"][0]


async def test_neither_token_nor_key_is_ever_written(prober: Prober) -> None:
    token = (await prober.credentials("alice"))["Authorization"][7:]
    told = prober._redactor.text(f"it said {token}, or {token.rpartition('.')[2]}, by {KEY}")
    assert not any(part in told for part in (token, token.rpartition(".")[2], KEY))
