"""A call's own deadline: the server is told of it, and its end is an answer; a server that is not there is none."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import grpc
from split_grpc import serving
from streams import accepting

from seatrial.api.vocabulary import vocabulary
from seatrial.core.observations import Observation, Reach, Seen
from seatrial.core.plan import ProbeCall
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Endpoint
from seatrial.engine.probing import Prober

METHOD = "shop.Items/Get"


def ms(number: int) -> Quantity:
    return Quantity(number * 1_000_000, Dimension.DURATION)


async def asked(port: int, what: str = METHOD, timeout_s: int = 10, **arguments: object) -> Observation:
    endpoint = Endpoint(name="grpc", scheme="grpc", host="127.0.0.1", port=port)
    reach = Reach(name="shop", service="shop", kind="", endpoints={"grpc": endpoint})
    call = ProbeCall(verb="grpc", what=what, arguments=arguments)
    return await Prober(vocabulary(), lambda name: "", Redactor()).at_instance(call, reach, timeout_s * 10**9)


async def test_the_server_is_told_and_the_end_is_a_code_with_its_time() -> None:
    told: list[float | None] = []
    async with serving() as (port, shop):

        async def silent(item: Any, context: grpc.aio.ServicerContext) -> Any:
            told.append(context.time_remaining())
            await asyncio.get_running_loop().create_future()

        shop.get = silent  # type: ignore[method-assign]
        seen = await asked(port, message={"name": "ring"}, deadline=ms(400))
    assert (seen.seen, seen.values["code"]) == (Seen.VALUE, "DEADLINE_EXCEEDED")
    lasted = seen.values["lasted"]
    assert isinstance(lasted, Quantity)
    assert 390e6 <= lasted.value < 1e9
    assert (seen.record["deadline"], seen.record["lasted"]) == ("400ms", str(lasted))
    (left,) = told
    assert left is not None
    assert 0.2 < left <= 0.41


async def test_an_answer_in_time_and_a_refusal_have_their_time_too() -> None:
    async with serving(failing=True) as (port, _):
        good = await asked(port, message={"name": "ring"}, deadline=ms(5000))
        full = await asked(port, message={"name": "user-50"}, deadline=ms(5000))
    assert [each.values["code"] for each in (good, full)] == ["OK", "RESOURCE_EXHAUSTED"]
    for each in (good, full):
        lasted = each.values["lasted"]
        assert isinstance(lasted, Quantity)
        assert 0 < lasted.value < 5e9


async def test_without_a_deadline_a_server_that_says_so_has_not_answered() -> None:
    async with serving() as (port, shop):

        async def late(item: Any, context: grpc.aio.ServicerContext) -> Any:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "somebody else was late")

        shop.get = late  # type: ignore[method-assign]
        seen = await asked(port, message={"name": "ring"})
    assert (seen.seen, seen.error) == (Seen.TARGET_ERROR, "timeout")


async def test_the_deadline_does_not_run_while_there_is_no_connection() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        refused = await asked(bound.getsockname()[1], "grpc.health.v1.Health/Check", deadline=ms(100))
    assert (refused.seen, refused.error) == (Seen.TARGET_ERROR, "unavailable")

    async def listen(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()  # it never says a word

    async with accepting(listen) as port:
        silent = await asked(port, "grpc.health.v1.Health/Check", 1, deadline=ms(100))
    assert (silent.seen, silent.error) == (Seen.TARGET_ERROR, "timeout")
