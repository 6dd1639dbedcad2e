"""The monolith as the router sees it, and the token with which the router speaks for others."""

import asyncio
import logging
from collections.abc import Mapping

import aiohttp

log = logging.getLogger("monolith")
TIMEOUT = aiohttp.ClientTimeout(total=3.0, sock_connect=0.5)
_KEPT = ("content-type", "retry-after")


class Unanswered(Exception):
    """The monolith did not answer."""


class Monolith:
    """Over connections that are kept. Made in the event loop that uses it."""

    def __init__(self, url: str) -> None:
        connector = aiohttp.TCPConnector(limit=256, keepalive_timeout=30)
        self._client = aiohttp.ClientSession(url, connector=connector, timeout=TIMEOUT, auto_decompress=False)

    async def ask(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of its answer. Raises Unanswered."""
        whole = f"{path}?{query}" if query else path
        try:
            async with self._client.request(
                method, whole, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unanswered(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        return answer.status, {n: answer.headers[n] for n in _KEPT if n in answer.headers}, content

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()


class ServiceToken:
    """The router's own token, renewed long before it ends."""

    def __init__(self, url: str, password: str) -> None:
        self._url, self._password = url, password
        self.token = ""

    async def keep(self) -> None:
        """For ever."""
        given = {"service": "router", "password": self._password}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as client:
            while True:
                try:
                    async with client.post(f"{self._url}/token", json=given, raise_for_status=True) as answered:
                        answer = await answered.json()
                    self.token = answer["token"]
                    await asyncio.sleep(answer["expires_in"] / 4)
                except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                    log.warning("no token: %s", error)
                    await asyncio.sleep(0.5)
