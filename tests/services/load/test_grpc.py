"""gRPC, to a real server: methods by reflection and by descriptor set, streams, status codes; as a load and as a probe."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from load_support import MS, configuration, run, script

from seatrial.core.observations import Observation, ProbeRequest, Reach, Seen
from seatrial.core.stack import Endpoint
from seatrial.probes.grpc import run as probe

BOTH = pytest.mark.parametrize("users", [0, 4])
TEXT, NUMBER = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_INT32


def described() -> descriptor_pb2.FileDescriptorProto:
    """shop.Items: Get (one), List (a stream out), Sum (a stream in); in a file that imports another one."""
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    file.dependency.append("words.proto")
    service = file.service.add(name="Items")
    for name, streams_in, streams_out in (("Get", False, False), ("List", False, True), ("Sum", True, False)):
        service.method.add(
            name=name, input_type=".shop.Item", output_type=".shop.Item", client_streaming=streams_in, server_streaming=streams_out
        )  # fmt: skip
    item = file.message_type.add(name="Item")
    item.field.add(name="id", number=1, type=NUMBER, label=1)
    item.field.add(name="name", number=2, type=11, type_name=".shop.Word", label=1)
    return file


def words() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="words.proto", package="shop", syntax="proto3")
    file.message_type.add(name="Word").field.add(name="text", number=1, type=TEXT, label=1)
    return file


class Shop(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.Add(words())
        self.pool.Add(described())
        self.item = message_factory.GetMessageClass(self.pool.FindMessageTypeByName("shop.Item"))
        self.asked = self.reflected = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        ends = {"request_deserializer": self.item.FromString, "response_serializer": self.item.SerializeToString}
        match details.method:
            case "/shop.Items/Get":
                return grpc.unary_unary_rpc_method_handler(self.get, **ends)
            case "/shop.Items/List":
                return grpc.unary_stream_rpc_method_handler(self.list, **ends)
            case "/shop.Items/Sum":
                return grpc.stream_unary_rpc_method_handler(self.sum, **ends)
        return None

    async def get(self, item: Any, context: grpc.aio.ServicerContext) -> Any:
        self.asked += 1
        if item.id == 404:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such item")
        if item.id == 401 and dict(context.invocation_metadata() or ()).get("token") != "abc":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        return self.item(id=item.id, name={"text": f"item {item.id}"})

    async def list(self, item: Any, _context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        for n in range(item.id):
            yield self.item(id=n)

    async def sum(self, items: AsyncIterator[Any], _context: grpc.aio.ServicerContext) -> Any:
        return self.item(id=sum([i.id async for i in items]))


class Reflecting(reflection.aio.ReflectionServicer):
    """Counts who asks."""

    def __init__(self, names: tuple[str, ...], shop: Shop) -> None:
        super().__init__(names, pool=shop.pool)
        self._shop = shop

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - its name
        self._shop.reflected += 1
        async for answer in super().ServerReflectionInfo(requests, context):
            yield answer


@contextlib.asynccontextmanager
async def serving(*, reflects: bool = True) -> AsyncIterator[tuple[str, Shop]]:
    server, shop = grpc.aio.server(), Shop()
    server.add_generic_rpc_handlers((shop,))
    checks = health.aio.HealthServicer()
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if reflects:
        names = ("shop.Items", health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflecting(names, shop), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", shop
    finally:
        await server.stop(None)


def operation(what: str, **arguments: Any) -> dict[str, Any]:
    return {"what": what, "arguments": arguments, "tag": "", "weight": 1}


def spoken(url: str, file: Path, *operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return configuration(url, file, requests=[], protocol="grpc", operations=list(operations), **more)


@pytest.fixture
def descriptors(tmp_path: Path) -> str:
    path = tmp_path / "shop.pb"
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[words(), described()]).SerializeToString())
    return str(path)


@BOTH
async def test_a_load_of_calls(tmp_path: Path, users: int) -> None:
    async with serving() as (url, shop):
        one = operation("shop.Items/Get", message={"id": 7})
        found = await run(spoken(url, tmp_path / "x.load", one, users=users))
    assert found.failed == 0
    assert found.ok == shop.asked
    assert found.ok >= 50
    assert shop.reflected <= 2  # the file of the service, and the one that it imports; once for all users


async def test_a_script_sees_messages_and_refusals_are_failures(tmp_path: Path) -> None:
    script(
        tmp_path,
        "async def user(u):\n"
        "    one = await u.ask('shop.Items/Get', message={'id': 7}, tag='get')\n"
        "    assert one.value == {'id': 7, 'name': {'text': 'item 7'}}, one.value\n"
        "    assert [i.get('id', 0) for i in (await u.ask('shop.Items/List', message={'id': 3})).value] == [0, 1, 2]\n"
        "    assert (await u.ask('shop.Items/Sum', message=[{'id': 3}, {'id': 4}])).value['id'] == 7\n"
        "    await u.ask('shop.Items/Get', message={'id': 404}, tag='gone')\n",
    )
    async with serving() as (url, _):
        found = await run(spoken(url, tmp_path / "x.load", script="users.py:user", schedule={"constant": 20}))
    assert found.said["script_errors"] == []
    assert set(found.errors) == {"reply"}
    assert (found.ok, found.failed) == (30, 10)


async def test_nobody_there_is_refused(tmp_path: Path) -> None:
    async with serving() as (url, _):
        pass
    found = await run(spoken(url, tmp_path / "x.load", operation("grpc.health.v1.Health/Check"), timeout_ns=400 * MS))
    assert found.ok == 0
    assert set(found.errors) <= {"refused", "timeout"}


async def look(url: str, what: str, **arguments: Any) -> Observation:
    host, _, port = url.partition("://")[2].partition(":")
    endpoint = Endpoint(name="grpc", scheme="grpc", host=host, port=int(port))
    reach = Reach(name="shop", service="shop", kind="process", endpoints={"grpc": endpoint})
    return await probe(
        ProbeRequest(
            what=what, arguments=arguments, reach=reach, headers={}, timeout_ns=2_000 * MS, around=None, instances=()  # type: ignore[arg-type]
        )
    )  # fmt: skip


async def test_the_probe_sees_messages_and_codes(descriptors: str) -> None:
    async with serving(reflects=False) as (url, _):
        healthy = await look(url, "grpc.health.v1.Health/Check")
        assert (healthy.values["code"], healthy.values["message"]) == ("OK", {"status": "SERVING"})
        one = await look(url, "shop.Items/Get", message={"id": 7}, descriptors=descriptors)
        assert one.values["message"] == {"id": 7, "name": {"text": "item 7"}}
        gone = await look(url, "shop.Items/Get", message={"id": 404}, descriptors=descriptors)
        assert (gone.seen, gone.values["code"]) == (Seen.VALUE, "NOT_FOUND")
        who = await look(url, "shop.Items/Get", message={"id": 401}, descriptors=descriptors)
        assert who.values["code"] == "UNAUTHENTICATED"
        known = await look(
            url, "shop.Items/Get", message={"id": 401}, metadata={"Token": "abc"}, descriptors=descriptors
        )
        assert known.values["code"] == "OK"
        unknown = await look(url, "shop.Items/Get", message={"id": 7})
        assert unknown.values["code"] == "UNIMPLEMENTED"
        wrong = await look(url, "shop.Items/Get", message={"idd": 7}, descriptors=descriptors)
        assert (wrong.seen, wrong.error) == (Seen.PROBE_ERROR, "spec")
        assert "idd" in wrong.message
    down = await look(url, "grpc.health.v1.Health/Check")
    assert (down.seen, down.error) == (Seen.TARGET_ERROR, "unavailable")


async def test_the_probe_finds_methods_by_reflection() -> None:
    async with serving() as (url, _):
        several = await look(url, "shop.Items/List", message={"id": 2})
        assert several.values["message"] == [{"id": 1}] or several.values["message"] == [{}, {"id": 1}]
        none = await look(url, "shop.Items/Gone")
        assert none.values["code"] == "UNIMPLEMENTED"
