"""The proxy: its routes, and those who may order impairments.

Control is by lines of JSON over a loopback connection that begins with the token of the stack. What a connection ordered ends with it, and
with its silence: whoever ordered may have died, or hang.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .impairments import make
from .route import Route, RouteOrder

SILENCE_S = 30.0  # longer than a peer that lives is ever silent (BEAT_S)
BEAT_S = 5.0
_LINE = 1 << 16


class Proxy:
    """Serves links until it is cancelled."""

    def __init__(self, orders: Sequence[RouteOrder], token: str) -> None:
        self._routes: dict[str, list[Route]] = {}
        for order in orders:
            self._routes.setdefault(order.link, []).append(Route(order))
        self._token = token
        self._numbers = 0

    async def serve(self, control: tuple[str, int]) -> None:
        """Control listens last: whoever reaches it reaches all links. Raises OSError for an address that is taken."""
        every = [route for routes in self._routes.values() for route in routes]
        try:
            for route in every:
                await route.listen()
            server = await asyncio.start_server(self._peer, *control, limit=_LINE)
            async with server:
                await server.serve_forever()
        finally:
            for route in every:
                route.close()

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: dict[int, str] = {}
        try:
            if not hmac.compare_digest((await reader.readline()).strip(), self._token.encode()):
                return
            while line := await asyncio.wait_for(reader.readline(), SILENCE_S):
                writer.write(json.dumps(await self._answer(json.loads(line), mine)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass
        finally:
            for number, link in mine.items():
                await self._mend(link, number)
            writer.close()

    async def _answer(self, order: dict[str, Any], mine: dict[int, str]) -> dict[str, Any]:
        try:
            return {"id": order["id"], "result": await self._obey(order, mine)}
        except (KeyError, OSError, TypeError, ValueError) as error:
            return {"id": order.get("id"), "error": str(error) or repr(error)}

    async def _obey(self, order: dict[str, Any], mine: dict[int, str]) -> object:
        match order["do"]:
            case "beat":
                return None
            case "impair":
                return await self._impair(order, mine)
            case "mend":
                if mine.pop(order["number"], None) is None:
                    raise ValueError("it had ended before: the proxy was started anew meanwhile")
                await self._mend(order["link"], order["number"])
                return None
            case "tries":
                times = [ns for route in self._routes[order["link"]] for ns in route.tried if ns > order["since"]]
                return sorted(times)
            case "traffic":
                return [route.traffic() for route in self._routes[order["link"]]]
        raise ValueError(f"nobody here can {order['do']}")

    async def _impair(self, order: dict[str, Any], mine: dict[int, str]) -> int:
        impairments = [(route, make(order["kind"], order["arguments"])) for route in self._routes[order["link"]]]
        self._numbers += 1
        number, refused = self._numbers, []
        mine[number] = order["link"]
        for route, impairment in impairments:
            try:
                await route.impair(number, impairment)
            except ValueError as error:
                refused.append(error)
        if len(refused) == len(impairments):
            del mine[number]
            raise refused[0]
        return number

    async def _mend(self, link: str, number: int) -> None:
        for route in self._routes[link]:
            await route.mend(number)


def orders_of(file: Path) -> tuple[list[RouteOrder], tuple[str, int], str]:
    """Routes, the address of control and its token, as `written` has them. Raises OSError, ValueError, KeyError."""
    content = json.loads(file.read_text("utf-8"))
    routes = [
        RouteOrder(link=r["link"], listen=tuple(r["listen"]), to=tuple(r["to"]), scheme=r["scheme"])
        for r in content["routes"]
    ]
    return routes, tuple(content["control"]), str(content["token"])


def written(orders: Sequence[RouteOrder], control: tuple[str, int], token: str) -> str:
    """What `orders_of` reads."""
    routes = [{"link": o.link, "listen": o.listen, "to": o.to, "scheme": o.scheme} for o in orders]
    return json.dumps({"routes": routes, "control": control, "token": token})
