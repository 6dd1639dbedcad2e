"""A cache without which nobody is served."""

import redis.asyncio as redis
from marketplace.monolith import cache
from marketplace.store import Gone


class Cache(cache.Cache):
    """Asked every time, however long that takes."""

    async def _ask(self, command: str, *given, **more) -> object:
        try:
            return await getattr(self._redis, command)(*given, **more)
        except (redis.RedisError, OSError) as error:
            raise Gone(f"the cache is gone: {error}") from error
