"""A gRPC service that says who serves a user, by hash: in its answer, and in its metadata. Methods by reflection."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc


class Shop(grpc.GenericRpcHandler):
    """shop.Items/Get, of a shop.Item(name, by); every 50th user's calls fail where it is `failing`."""

    def __init__(self, failing: bool = False) -> None:
        file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
        item = file.message_type.add(name="Item")
        for number, name in enumerate(("name", "by"), 1):
            item.field.add(name=name, number=number, type=9, label=1)
        file.service.add(name="Items").method.add(name="Get", input_type=".shop.Item", output_type=".shop.Item")
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.Add(file)
        self.item = message_factory.GetMessageClass(self.pool.FindMessageTypeByName("shop.Item"))
        self.asked, self.failing = 0, failing
        self.metadata: dict[str, str] = {}  # of the last call

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method != "/shop.Items/Get":
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.get, request_deserializer=self.item.FromString, response_serializer=self.item.SerializeToString
        )

    async def get(self, item: Any, context: grpc.aio.ServicerContext) -> Any:
        self.asked += 1
        self.metadata = dict(context.invocation_metadata() or ())
        user = item.name or self.metadata["x-user"]
        if self.failing and user.endswith("50"):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more")
        by = "new" if zlib.crc32(user.encode()) % 2 else "old"
        await context.send_initial_metadata((("x-served-by", by),))
        return self.item(name=user, by=by)


@contextlib.asynccontextmanager
async def serving(*, failing: bool = False) -> AsyncIterator[tuple[int, Shop]]:
    server, shop = grpc.aio.server(), Shop(failing)
    server.add_generic_rpc_handlers((shop,))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
        reflection.aio.ReflectionServicer(("shop.Items",), pool=shop.pool), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port, shop
    finally:
        await server.stop(None)
