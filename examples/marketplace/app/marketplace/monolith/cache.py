"""Listings in Redis, for those who only look. A cache that is gone holds up nobody: it is asked again a second later."""

import json
import logging
import time

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = logging.getLogger("cache")
PATIENCE_S = 0.1
_PAUSE_S = 1.0
_KEEP_MS = 2000  # what the sync wrote past this process is seen that late, at most


class Cache:
    """By listing."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0),
            max_connections=32, decode_responses=True,
        )  # fmt: skip
        self._paused_until = 0.0
        self.hits = self.misses = self.failures = 0

    @property
    def up(self) -> bool:
        """As far as is known."""
        return time.monotonic() >= self._paused_until

    async def get(self, listing: str) -> dict | None:
        """None where it is not known, or nobody can be asked."""
        text = await self._ask("get", f"listing:{listing}")
        if text is None:
            self.misses += 1
            return None
        self.hits += 1
        return json.loads(text)

    async def put(self, listing: dict) -> None:
        """For a moment."""
        await self._ask("set", f"listing:{listing['id']}", json.dumps(listing), px=_KEEP_MS)

    async def forget(self, listing: str) -> None:
        """After a change, once it is in the database."""
        await self._ask("delete", f"listing:{listing}")

    async def _ask(self, command: str, *given, **more) -> object:
        if not self.up:
            return None
        try:
            return await getattr(self._redis, command)(*given, **more)
        except (redis.RedisError, OSError) as error:
            self.failures += 1
            self._paused_until = time.monotonic() + _PAUSE_S
            log.warning("the cache is gone: %s", error)
            return None

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()
