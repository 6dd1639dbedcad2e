"""The worker that carries changes between both databases, each way: from one's outbox into the other's tables; and into the search
index, where there is one.

What it carries is the listing as it is now, with its images; the later one wins. So a change that is carried twice, or in another
order, changes nothing, and an entry is taken out of the outbox only when the other database has what it speaks of.
"""

import asyncio
import contextlib
import logging
import os
import signal

from marketplace import rows
from marketplace.serving import log as begin_log
from marketplace.store import Gone, Store

log = logging.getLogger("sync")
_PAUSE_S = 0.1
_BATCH = 200
_LOOP_S = 10.0

_TAKE = "select seq, listing_id from outbox order by seq limit %s"
_PUT = f"""
insert into listings as mine ({rows.FIELDS})
values (%(id)s, %(owner)s, %(title)s, %(price_cents)s, %(status)s, %(created_at)s, %(updated_at)s)
on conflict (id) do update set owner = excluded.owner, title = excluded.title, price_cents = excluded.price_cents,
    status = excluded.status, created_at = excluded.created_at, updated_at = excluded.updated_at
where mine.updated_at < excluded.updated_at
returning id
"""
_PUT_IMAGE = """
insert into images (id, listing_id, url, width, height) values (%(id)s, %(listing_id)s, %(url)s, %(width)s, %(height)s)
on conflict (id) do nothing
"""


async def carry(source: Store, target: Store) -> int:
    """One batch; how many entries it had. Raises Gone."""
    async with source.transaction() as here:
        entries = await (await here.execute(_TAKE, [_BATCH])).fetchall()
        if not entries:
            return 0
        ids = sorted({e["listing_id"] for e in entries})
        listings = await (
            await here.execute(f"select {rows.FIELDS} from listings where id = any(%s)", [ids])
        ).fetchall()
        images = await (await here.execute("select * from images where listing_id = any(%s)", [ids])).fetchall()
    async with target.transaction() as there:
        for listing in listings:
            written = await (await there.execute(_PUT, listing)).fetchone()
            if written is None:
                continue  # it is there already, or something later is
            await there.execute("delete from images where listing_id = %s", [listing["id"]])
            for image in images:
                if image["listing_id"] == listing["id"]:
                    await there.execute(_PUT_IMAGE, image)
    async with source.transaction() as here:
        await here.execute("delete from outbox where seq = any(%s)", [[e["seq"] for e in entries]])
    return len(entries)


async def follow(name: str, source: Store, target: Store) -> None:
    """For ever: whatever is gone is waited for."""
    total = 0
    while True:
        done = 0
        with contextlib.suppress(Gone, TimeoutError):
            async with asyncio.timeout(_LOOP_S):
                done = await carry(source, target)
        total += done
        if done:
            log.info("%s: %d entries, %d in all", name, done, total)
        await asyncio.sleep(0 if done == _BATCH else _PAUSE_S)


async def main() -> None:
    """Until SIGTERM."""
    begin_log()
    monolith = Store(os.environ["MONOLITH_DSN"], size=2)
    listings = Store(os.environ["LISTINGS_DSN"], size=2)
    await monolith.open()
    await listings.open()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    tasks = [
        asyncio.create_task(follow("monolith to listings", monolith, listings)),
        asyncio.create_task(follow("listings to monolith", listings, monolith)),
    ]
    if url := os.environ.get("SEARCH_URL"):
        from marketplace import indexing

        tasks.append(asyncio.create_task(indexing.follow(monolith, url)))
    log.info("sync is ready")
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await monolith.close()
    await listings.close()


if __name__ == "__main__":
    asyncio.run(main())
