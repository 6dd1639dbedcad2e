"""Listings by words in their titles, from the search index. Gone or silent it holds up nobody: it is asked again a second later."""

import logging
import time

import aiohttp

log = logging.getLogger("search")
_TIMEOUT = aiohttp.ClientTimeout(total=0.3)
_PAUSE_S = 1.0


class Engine:
    """Made in the event loop that uses it."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/listings/_search"
        self._client = aiohttp.ClientSession(timeout=_TIMEOUT)
        self._paused_until = 0.0

    async def find(self, words: str, limit: int) -> list[dict] | None:
        """Those that have all the words, the best first; None where nobody can be asked."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return await self._ask(words, limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._paused_until = time.monotonic() + _PAUSE_S
            log.warning("the index is gone: %s: %s", type(error).__name__, error)
            return None

    async def _ask(self, words: str, limit: int) -> list[dict]:
        wanted = {"query": {"match": {"title": {"query": words, "operator": "and"}}}, "size": limit}
        async with self._client.post(self._url, json=wanted, raise_for_status=True) as answer:
            found = await answer.json()
        return [{**hit["_source"], "images": []} for hit in found["hits"]["hits"]]

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()
