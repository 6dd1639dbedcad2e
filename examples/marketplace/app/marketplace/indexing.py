"""Carries listings from the monolith's database into the search index, which has those that are active and no others.

What changed stands in a table, with a number that grows; an entry is taken out when the index has what it speaks of, unless there is a
later one. So what is carried twice changes nothing, and an index that was lost or lay still gets all that it missed.
"""

import asyncio
import json
import logging
from typing import Any

import aiohttp

from marketplace import rows
from marketplace.store import Gone, Store

log = logging.getLogger("indexing")
INDEX = "listings"
_PAUSE_S = 0.1
_AGAIN_S = 1.0
_BATCH = 500
_TIMEOUT = aiohttp.ClientTimeout(total=5.0, sock_connect=0.5)

_TEXTS = {"owner": "keyword", "title": "text", "status": "keyword", "created_at": "date", "updated_at": "date"}
_MADE = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "500ms"},
    "mappings": {
        "dynamic": "strict",
        "properties": {n: {"type": t} for n, t in {"id": "keyword", "price_cents": "integer", **_TEXTS}.items()},
    },
}
_TAKE = f"""
select version, {rows.FIELDS} from to_index join listings on id = listing_id order by version limit %s
"""
# Whoever writes it again just now is not waited for: then there is something later.
_TAKEN = """
delete from to_index where listing_id in (
    select listing_id from to_index join unnest(%s::uuid[], %s::bigint[]) as carried (id, at) on listing_id = id and version = at
    for update of to_index skip locked
)
"""
_ALL = "insert into to_index select id, nextval('changes') from listings on conflict do nothing"


class Unindexed(Exception):
    """The index does not answer, or did not take what it was given."""


def orders_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said to the index of a listing as it is now."""
    if row["status"] != "active":
        return [{"delete": {"_id": str(row["id"])}}]
    document = rows.shown({n: v for n, v in row.items() if n != "version"}, [])
    del document["images"]
    return [{"index": {"_id": str(row["id"])}}, document]


class Indexing:
    """One index, written by nobody else."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url, self._client = f"{url}/{INDEX}", client

    async def carry(self, store: Store) -> int:
        """One batch; how many entries it had. Raises Gone, Unindexed."""
        if await self._make():
            async with store.transaction() as db:
                await db.execute(_ALL)
        async with store.transaction() as db:
            found = await (await db.execute(_TAKE, [_BATCH])).fetchall()
        if found:
            await self._write([order for row in found for order in orders_of(row)])
            async with store.transaction() as db:
                await db.execute(_TAKEN, [[r["id"] for r in found], [r["version"] for r in found]])
        return len(found)

    async def _make(self) -> bool:
        """Whether there was none yet."""
        async with self._client.head(self._url) as answer:
            if answer.status != 404:
                return False
        async with self._client.put(self._url, json=_MADE) as answer:
            if answer.status >= 400:
                raise Unindexed(f"it could not be made: {await answer.text()}")
        return True

    async def _write(self, orders: list[dict[str, Any]]) -> None:
        body = "".join(json.dumps(order) + "\n" for order in orders)
        headers = {"content-type": "application/x-ndjson"}
        async with self._client.post(f"{self._url}/_bulk", data=body, headers=headers) as answer:
            said = await answer.json()
        refused = [i for each in said.get("items", []) for i in each.values() if i["status"] >= 400 and "error" in i]
        if answer.status >= 400 or refused:
            raise Unindexed(f"it did not take a listing: {refused[:1] or said}")


async def follow(store: Store, url: str) -> None:
    """For ever: whatever is gone is waited for."""
    total = 0
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
        indexing = Indexing(url, client)
        while True:
            done, pause = 0, _PAUSE_S
            try:
                done = await indexing.carry(store)
            except (Unindexed, Gone, aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("the index is gone: %s: %s", type(error).__name__, error)
                pause = _AGAIN_S
            total += done
            if done:
                log.info("to the index: %d entries, %d in all", done, total)
            await asyncio.sleep(0 if done == _BATCH else pause)
