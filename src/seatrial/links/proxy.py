"""The proxy: its routes, and those who may order impairments.

Control is by lines of JSON over a loopback connection that begins with the token of the stack. What a connection ordered ends with it, and
with its silence: whoever ordered may have died, or hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .impairments import make
from .route import Number, Route, RouteOrder

SILENCE_S = 30.0  # longer than a peer that lives is ever silent (BEAT_S)
BEAT_S = 5.0
_LINE = 1 << 16


class Proxy:
    """Serves links until it is cancelled."""

    def __init__(self, orders: Sequence[RouteOrder], token: str, *, silence_s: float = SILENCE_S) -> None:
        self._routes: dict[str, list[Route]] = {}
        for order in orders:
            self._routes.setdefault(order.link, []).append(Route(order))
        self._token = token
        self._silence_s = silence_s
        self._peers = itertools.count(1)
        self._ordering: set[asyncio.Task[None]] = set()

    async def serve(self, control: tuple[str, int]) -> None:
        """Control listens last: whoever reaches it reaches all links. Raises OSError for an address that is taken."""
        try:
            for route in self._all():
                await route.listen()
            server = await asyncio.start_server(self._peer, *control, limit=_LINE)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()  # without waiting for those who order: nobody tells them to go
                for peer in list(self._ordering):
                    peer.cancel()
        finally:
            for route in self._all():
                route.close()

    def _all(self) -> Iterator[Route]:
        return itertools.chain.from_iterable(self._routes.values())

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, mine = next(self._peers), dict[int, str]()
        task = asyncio.current_task()
        assert task is not None
        self._ordering.add(task)
        try:
            if not hmac.compare_digest((await reader.readline()).strip(), self._token.encode()):
                return
            while line := await self._heard(reader):
                writer.write(json.dumps(await self._answer(peer, json.loads(line), mine)).encode() + b"\n")
                await writer.drain()
        except (OSError, RecursionError, ValueError, TimeoutError):
            pass
        except asyncio.CancelledError:
            return  # the proxy ends
        finally:
            self._ordering.discard(task)
            writer.close()
            for number, link in mine.items():
                with contextlib.suppress(OSError):
                    await self._mend(link, (peer, number))

    async def _heard(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._silence_s):
            return await reader.readline()

    async def _answer(self, peer: int, order: object, mine: dict[int, str]) -> dict[str, Any]:
        if not isinstance(order, dict):
            raise ValueError("an order is an object")
        try:
            return {"id": order["id"], "result": await self._obey(peer, order, mine)}
        except (KeyError, OSError, TypeError, ValueError) as error:
            return {"id": order.get("id"), "error": str(error) or repr(error)}

    async def _obey(self, peer: int, order: dict[str, Any], mine: dict[int, str]) -> object:
        match order["do"]:
            case "beat":
                return None
            case "impair":
                await self._impair(peer, order, mine)
                return None
            case "route":
                await self._lead(
                    RouteOrder(
                        **{
                            **order["route"],
                            "listen": tuple(order["route"]["listen"]),
                            "to": tuple(order["route"]["to"]),
                        }
                    )
                )
                return None
            case "mend":
                link = mine.pop(order["number"], None)
                if link is None:
                    raise ValueError("it had ended before: the proxy was started anew meanwhile")
                await self._mend(link, (peer, order["number"]))
                return None
            case "tries":
                since = order["since"]
                found = [each for route in self._of(order["link"]) for each in route.tried if each[0] > since]
                return sorted(found, key=lambda each: each[0])
            case "traffic":
                return [route.traffic() for route in self._of(order["link"])]
        raise ValueError(f"nobody here can {order['do']}")

    async def _lead(self, order: RouteOrder) -> None:
        """Another address; one that there is leads to another place from now on, for new connections."""
        for route in self._routes.get(order.link, []):
            if route.listens == order.listen:
                route.to = order.to
                return
        made = Route(order)
        await made.listen()
        self._routes.setdefault(order.link, []).append(made)

    def _of(self, link: str) -> Sequence[Route]:
        if link not in self._routes:
            raise ValueError(f"no link {link}; there are {', '.join(self._routes)}")
        return self._routes[link]

    async def _impair(self, peer: int, order: dict[str, Any], mine: dict[int, str]) -> None:
        impairments = [(route, make(order["kind"], order["arguments"])) for route in self._of(order["link"])]
        number, refused = int(order["number"]), list[ValueError]()
        mine[number] = order["link"]
        for route, impairment in impairments:
            try:
                await route.impair((peer, number), impairment)
            except ValueError as error:
                refused.append(error)
        if len(refused) == len(impairments):
            del mine[number]
            raise refused[0]

    async def _mend(self, link: str, number: Number) -> None:
        """All that can be. Raises the error of the last address that could not be listened at again."""
        failed: OSError | None = None
        for route in self._routes[link]:
            try:
                await route.mend(number)
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed


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
