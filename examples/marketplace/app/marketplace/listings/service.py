"""The listings microservice: gRPC, with health, reflection, JWTs and deadlines."""

import argparse
import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from uuid import uuid4

import grpc
import grpc.aio
import psycopg
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from marketplace import rows, tokens
from marketplace.listings import listings_pb2 as pb
from marketplace.listings import listings_pb2_grpc
from marketplace.serving import HOST
from marketplace.serving import log as begin_log
from marketplace.store import Gone, Store

log = logging.getLogger("listings")
NAME = pb.DESCRIPTOR.services_by_name["Listings"].full_name
OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_LOOK_S = 0.2
GRACE_S = 3.0
Code = grpc.StatusCode
asking: ContextVar[str] = ContextVar("asking")  # the user of this call


class Guard(grpc.aio.ServerInterceptor):
    """Nobody without a token gets in, and each call that does is one line of the log."""

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[grpc.RpcMethodHandler]], details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        """The handler, wrapped."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN):
            return handler
        metadata = dict(details.invocation_metadata or ())
        method = details.method.rpartition("/")[2]

        async def guarded(request: object, context: grpc.aio.ServicerContext) -> object:
            began, request_id = time.monotonic(), metadata.get("x-request-id", "-")
            try:
                who = tokens.caller(str(metadata.get("authorization", "")), str(metadata.get("x-user", "")))
            except tokens.Refused as error:
                note(method, request_id, metadata, Code.UNAUTHENTICATED, began)
                await context.abort(Code.UNAUTHENTICATED, str(error))
            asking.set(who.user)
            try:
                answer = await handler.unary_unary(request, context)
            except asyncio.CancelledError:  # the deadline is over, or the caller has gone: nothing goes on for it
                note(method, request_id, metadata, Code.CANCELLED, began)
                raise
            except BaseException:
                note(method, request_id, metadata, context.code() or Code.UNKNOWN, began)
                raise
            note(method, request_id, metadata, Code.OK, began)
            return answer

        return grpc.unary_unary_rpc_method_handler(guarded, handler.request_deserializer, handler.response_serializer)


def note(method: str, request_id: object, metadata: dict, code: grpc.StatusCode | int, began: float) -> None:
    """One line."""
    name = code.name if isinstance(code, grpc.StatusCode) else str(code)
    took = (time.monotonic() - began) * 1000
    attempt = metadata.get("x-attempt", "1")
    log.info("call=%s code=%s request=%s attempt=%s ms=%.1f", method, name, request_id, attempt, took)


class Listings(listings_pb2_grpc.ListingsServicer):
    """The service itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def _database(self, context: grpc.aio.ServicerContext) -> AsyncIterator[psycopg.AsyncConnection]:
        """A transaction; what goes wrong in it is a status."""
        try:
            async with self._store.transaction() as db:
                yield db
        except Gone as error:
            await context.abort(Code.UNAVAILABLE, str(error))
        except rows.NotFound as error:
            await context.abort(Code.NOT_FOUND, f"there is no {error}")
        except rows.NotYours as error:
            await context.abort(Code.PERMISSION_DENIED, f"{error} belongs to somebody else")

    async def Create(self, request: pb.CreateRequest, context: grpc.aio.ServicerContext) -> pb.Listing:
        """The same id again is the same listing."""
        await _valid(request, context)
        async with self._database(context) as db:
            id_ = request.id or str(uuid4())
            made = await rows.create(db, id_, asking.get(), request.title, request.price_cents)
        return message(made)

    async def Get(self, request: pb.GetRequest, context: grpc.aio.ServicerContext) -> pb.Listing:
        """With its images."""
        async with self._database(context) as db:
            found = await rows.get(db, request.id)
        return message(found)

    async def Update(self, request: pb.UpdateRequest, context: grpc.aio.ServicerContext) -> pb.Listing:
        """By its owner."""
        await _valid(request, context)
        async with self._database(context) as db:
            changed = await rows.update(db, request.id, asking.get(), request.title, request.price_cents)
        return message(changed)

    async def Delete(self, request: pb.DeleteRequest, context: grpc.aio.ServicerContext) -> pb.DeleteResponse:
        """By its owner."""
        async with self._database(context) as db:
            await rows.delete(db, request.id, asking.get())
        return pb.DeleteResponse()

    async def List(self, request: pb.ListRequest, context: grpc.aio.ServicerContext) -> pb.ListResponse:
        """The newest ones first."""
        async with self._database(context) as db:
            found = await rows.page(db, request.owner, request.limit or 20, request.offset)
        return pb.ListResponse(listings=[message(row) for row in found])

    async def AddImage(self, request: pb.AddImageRequest, context: grpc.aio.ServicerContext) -> pb.Listing:
        """By the listing's owner."""
        image, id_ = request.image, request.image.id or str(uuid4())
        async with self._database(context) as db:
            changed = await rows.add_image(
                db, request.listing_id, asking.get(), id_, image.url, image.width, image.height
            )
        return message(changed)


def message(row: dict) -> pb.Listing:
    """A listing as it goes out."""
    images = [pb.Image(**image) for image in row["images"]]
    return pb.Listing(**{**row, "images": images})


async def _valid(request: pb.CreateRequest | pb.UpdateRequest, context: grpc.aio.ServicerContext) -> None:
    if not request.title or request.price_cents < 0:
        await context.abort(Code.INVALID_ARGUMENT, "a title and a price are wanted")


async def watch(store: Store, servicer: health.aio.HealthServicer) -> None:
    """The health that is asked for: serving while the database answers."""
    while True:
        status = health_pb2.HealthCheckResponse.SERVING if store.up else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", NAME):
            await servicer.set(name, status)
        await asyncio.sleep(_LOOK_S)


async def main() -> None:
    """Until SIGTERM; calls that are under way may end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    begin_log()
    store = Store(os.environ["DATABASE_DSN"], size=10, wait_s=2.0)  # the caller's deadline ends it before
    await store.open()
    server = grpc.aio.server(
        interceptors=[Guard()],
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ],
        maximum_concurrent_rpcs=500,
    )
    listings_pb2_grpc.add_ListingsServicer_to_server(Listings(store), server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    watcher = asyncio.create_task(watch(store, servicer))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    log.info("listings is ready on %d", port)
    await ended.wait()
    watcher.cancel()
    await servicer.enter_graceful_shutdown()
    await server.stop(GRACE_S)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
