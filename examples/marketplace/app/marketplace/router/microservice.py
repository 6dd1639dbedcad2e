"""The listings microservice as the router sees it."""

import asyncio
import random
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import grpc
import grpc.aio

from marketplace.listings import listings_pb2 as pb
from marketplace.listings.listings_pb2_grpc import ListingsStub
from marketplace.router import metrics
from marketplace.router.settings import Settings

OPTIONS = [
    ("grpc.enable_retries", 0),  # here it is known what may be tried again
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),  # a container that starts again may have another address
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 3_000),
]


class Microservice:
    """One channel for all."""

    def __init__(self, address: str, policy: ModuleType) -> None:
        self._channel = grpc.aio.insecure_channel(address, OPTIONS)
        self._stub = ListingsStub(self._channel)
        self._policy = policy

    async def call(self, method: str, request: Any, metadata: Sequence[tuple[str, str]], settings: Settings) -> Any:
        """Attempts within the time that the request has. Raises grpc.aio.AioRpcError, the last one's."""
        budget = self._policy.budget_s(settings)
        ends = None if budget is None else time.monotonic() + budget
        attempt = 1
        while True:
            left = None if ends is None else max(0.001, ends - time.monotonic())
            try:
                answer = await getattr(self._stub, method)(
                    request, timeout=left, metadata=[*metadata, ("x-attempt", str(attempt))]
                )
            except grpc.aio.AioRpcError as error:
                code = error.code()
                metrics.CALLS.labels(method, code.name).inc()
                if attempt >= settings.attempts or not self._policy.tried_again(method, code):
                    raise
                pause = settings.backoff_ms / 1000 * 2 ** (attempt - 1) * random.uniform(0.9, 1.1)
                if ends is not None and time.monotonic() + pause >= ends:
                    raise
            else:
                metrics.CALLS.labels(method, "OK").inc()
                return answer
            await asyncio.sleep(pause)
            attempt += 1
            metrics.RETRIES.labels(method).inc()

    async def close(self) -> None:
        """What is under way may end."""
        await self._channel.close(1.0)


def listing(message: pb.Listing) -> dict[str, Any]:
    """As the monolith writes it."""
    names = ("id", "owner", "title", "price_cents", "status", "created_at", "updated_at")
    images = [{"id": i.id, "url": i.url, "width": i.width, "height": i.height} for i in message.images]
    return {**{name: getattr(message, name) for name in names}, "images": images}
