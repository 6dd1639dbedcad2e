"""The monolith as the router sees it, and the token with which the router speaks for others."""

import asyncio
import logging
from collections.abc import Mapping

import httpx

log = logging.getLogger("monolith")
LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=64, keepalive_expiry=30)
TIMEOUT = httpx.Timeout(3.0, connect=0.5, pool=0.5)
_KEPT = ("content-type", "retry-after")


class Unanswered(Exception):
    """The monolith did not answer."""


class Monolith:
    """Over connections that are kept."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, limits=LIMITS, timeout=TIMEOUT, trust_env=False)

    async def ask(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of its answer. Raises Unanswered."""
        try:
            answer = await self._client.request(
                method, f"{path}?{query}" if query else path, headers=headers, content=body
            )
        except httpx.HTTPError as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        return answer.status_code, {n: answer.headers[n] for n in _KEPT if n in answer.headers}, answer.content

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


class ServiceToken:
    """The router's own token, renewed long before it ends."""

    def __init__(self, url: str, password: str) -> None:
        self._url, self._password = url, password
        self.token = ""

    async def keep(self) -> None:
        """For ever."""
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while True:
                try:
                    given = {"service": "router", "password": self._password}
                    answer = (await client.post(f"{self._url}/token", json=given)).raise_for_status().json()
                    self.token = answer["token"]
                    await asyncio.sleep(answer["expires_in"] / 4)
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    log.warning("no token: %s", error)
                    await asyncio.sleep(0.5)
