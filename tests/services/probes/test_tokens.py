"""A token is sent over gRPC as metadata, and as a header when a WebSocket is opened."""

from __future__ import annotations

import jwt
from split_grpc import serving
from websockets.asyncio.server import ServerConnection, serve

from seatrial.api.vocabulary import vocabulary
from seatrial.core.observations import Reach, Seen
from seatrial.core.plan import IdentityPlan, ProbeCall
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Endpoint
from seatrial.engine.probing import Prober

KEY = "a-secret-of-this-trial-that-nobody-reads"


async def asked(verb: str, what: str, port: int, scheme: str, **arguments: object) -> Seen:
    prober = Prober(vocabulary(), lambda name: "", Redactor())
    prober.know({"alice": IdentityPlan(name="alice", kind="jwt", arguments={"key": KEY, "claims": {"sub": "alice"}})})
    endpoint = Endpoint(name=scheme, scheme=scheme, host="127.0.0.1", port=port)
    reach = Reach(name="shop", service="shop", kind="", endpoints={scheme: endpoint})
    call = ProbeCall(verb=verb, what=what, arguments=arguments, identity="alice")
    return (await prober.at_instance(call, reach, 5_000_000_000)).seen


def subject(header: str) -> str:
    return str(jwt.decode(header.removeprefix("Bearer "), KEY, algorithms=["HS256"])["sub"])


async def test_over_grpc() -> None:
    async with serving() as (port, shop):
        assert await asked("grpc", "shop.Items/Get", port, "grpc", message={"name": "ring"}) is Seen.VALUE
    assert subject(shop.metadata["authorization"]) == "alice"


async def test_over_a_websocket() -> None:
    headers: list[str] = []

    async def greet(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers.append(connection.request.headers["Authorization"])
        await connection.send("hello")

    async with serve(greet, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        assert await asked("websocket", "/", port, "ws", messages=1) is Seen.VALUE
    assert subject(headers[0]) == "alice"
