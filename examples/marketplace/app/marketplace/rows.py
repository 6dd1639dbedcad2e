"""Listings as both databases have them: the same tables, the same statements.

A listing with its images is one thing, written under its row's lock with a time that only grows: of two versions of it, the one
with the later time is the true one wherever it came from.
"""

from typing import Any
from uuid import UUID

import psycopg

FIELDS = "id, owner, title, price_cents, status, created_at, updated_at"
_LATER = "greatest(clock_timestamp(), updated_at + interval '1 microsecond')"
MOST = 100


class NotFound(Exception):
    """There is no such listing."""


class NotYours(Exception):
    """It belongs to somebody else."""


def uuid_of(text: str) -> UUID:
    """Raises NotFound: what is no id names no listing."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(text) from error


def shown(row: dict[str, Any], images: list[dict[str, Any]]) -> dict[str, Any]:
    """As it goes out."""
    times = {name: row[name].isoformat(timespec="microseconds") for name in ("created_at", "updated_at")}
    return {**row, **times, "id": str(row["id"]), "images": [{**i, "id": str(i["id"])} for i in images]}


async def get(db: psycopg.AsyncConnection, listing: str) -> dict[str, Any]:
    """Raises NotFound."""
    id_ = uuid_of(listing)
    cursor = await db.execute(f"select {FIELDS} from listings where id = %s and status <> 'deleted'", [id_])
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(listing)
    return shown(row, await images_of(db, id_))


async def images_of(db: psycopg.AsyncConnection, listing: UUID) -> list[dict[str, Any]]:
    """In the order of their ids."""
    cursor = await db.execute("select id, url, width, height from images where listing_id = %s order by id", [listing])
    return await cursor.fetchall()


async def page(db: psycopg.AsyncConnection, owner: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """The newest ones first; of all owners where none is named. Without their images."""
    cursor = await db.execute(
        f"select {FIELDS} from listings where status <> 'deleted' and (%(owner)s = '' or owner = %(owner)s) "
        "order by updated_at desc, id limit %(limit)s offset %(offset)s",
        {"owner": owner, "limit": max(1, min(limit, MOST)), "offset": max(0, offset)},
    )
    return [shown(row, []) for row in await cursor.fetchall()]


async def search(db: psycopg.AsyncConnection, words: str, limit: int) -> list[dict[str, Any]]:
    """Active ones with all the words in their titles, as parts of other words, too; the newest ones first. Without their images."""
    patterns = [f"%{_literal(word)}%" for word in words.split()]
    cursor = await db.execute(
        f"select {FIELDS} from listings where status = 'active' and title ilike all(%s::text[]) order by updated_at desc, id limit %s",
        [patterns, max(1, min(limit, MOST))],
    )
    return [shown(row, []) for row in await cursor.fetchall()]


def _literal(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


async def create(db: psycopg.AsyncConnection, listing: str, owner: str, title: str, price_cents: int) -> dict[str, Any]:
    """The same id again is the same listing."""
    id_ = uuid_of(listing)
    cursor = await db.execute(
        "insert into listings (id, owner, title, price_cents, created_at, updated_at) "
        "values (%s, %s, %s, %s, clock_timestamp(), clock_timestamp()) on conflict (id) do nothing returning id",
        [id_, owner, title, price_cents],
    )
    if await cursor.fetchone() is not None:
        await _note(db, id_)
    return await get(db, listing)


async def update(db: psycopg.AsyncConnection, listing: str, user: str, title: str, price_cents: int) -> dict[str, Any]:
    """All of what its owner may say of it. Raises NotFound, NotYours."""
    id_ = await _own(db, listing, user)
    await db.execute(
        f"update listings set title = %s, price_cents = %s, updated_at = {_LATER} where id = %s",
        [title, price_cents, id_],
    )
    await _note(db, id_)
    return await get(db, listing)


async def delete(db: psycopg.AsyncConnection, listing: str, user: str) -> None:
    """Its row stays, as the mark that it is gone. Raises NotFound, NotYours."""
    id_ = await _own(db, listing, user)
    await db.execute("delete from images where listing_id = %s", [id_])
    await db.execute(f"update listings set status = 'deleted', updated_at = {_LATER} where id = %s", [id_])
    await _note(db, id_)


async def add_image(
    db: psycopg.AsyncConnection, listing: str, user: str, image: str, url: str, width: int, height: int
) -> dict[str, Any]:
    """Raises NotFound, NotYours."""
    id_ = await _own(db, listing, user)
    await db.execute(
        "insert into images (id, listing_id, url, width, height) values (%s, %s, %s, %s, %s) on conflict (id) do nothing",
        [uuid_of(image), id_, url, width, height],
    )
    await db.execute(f"update listings set updated_at = {_LATER} where id = %s", [id_])
    await _note(db, id_)
    return await get(db, listing)


async def _own(db: psycopg.AsyncConnection, listing: str, user: str) -> UUID:
    id_ = uuid_of(listing)
    cursor = await db.execute("select owner from listings where id = %s and status <> 'deleted' for update", [id_])
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(listing)
    if row["owner"] != user:
        raise NotYours(listing)
    return id_


async def _note(db: psycopg.AsyncConnection, listing: UUID) -> None:
    await db.execute("insert into outbox (listing_id) values (%s)", [listing])
