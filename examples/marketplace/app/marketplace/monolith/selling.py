"""Stock and purchases. Stock is written under its row's lock, and what was sold under a key is sold once."""

from typing import Any

import psycopg

from marketplace.rows import NotFound, uuid_of


class OutOfStock(Exception):
    """There is not enough left."""


async def set_stock(db: psycopg.AsyncConnection, listing: str, available: int) -> None:
    """As counted on the shelf. Raises NotFound."""
    id_ = uuid_of(listing)
    known = await db.execute("select 1 from listings where id = %s and status <> 'deleted'", [id_])
    if await known.fetchone() is None:
        raise NotFound(listing)
    await db.execute(
        "insert into stock (listing_id, available) values (%s, %s) "
        "on conflict (listing_id) do update set available = excluded.available",
        [id_, available],
    )


async def stock(db: psycopg.AsyncConnection, listing: str, *, locked: bool = False) -> int:
    """What is left. `locked`: until the transaction ends nobody else sells it. Raises NotFound."""
    cursor = await db.execute(
        f"select available from stock where listing_id = %s {'for update' if locked else ''}", [uuid_of(listing)]
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(listing)
    return row["available"]


async def buy(
    db: psycopg.AsyncConnection, listing: str, buyer: str, quantity: int, key: str, *, locked: bool = True
) -> tuple[dict[str, Any], bool]:
    """(purchase, made): made is False when the key was sold before. Raises NotFound, OutOfStock."""
    available = await stock(db, listing, locked=locked)
    cursor = await db.execute("select id, key, quantity from purchases where key = %s", [key])
    before = await cursor.fetchone()
    if before is not None:
        return before, False
    if available < quantity:
        raise OutOfStock
    cursor = await db.execute(
        "insert into purchases (listing_id, key, buyer, quantity) values (%s, %s, %s, %s) returning id, key, quantity",
        [uuid_of(listing), key, buyer, quantity],
    )
    made = await cursor.fetchone()
    assert made is not None
    await db.execute("update stock set available = %s where listing_id = %s", [available - quantity, uuid_of(listing)])
    return made, True


async def roll_back(db: psycopg.AsyncConnection, listing: str, quantity: int, key: str) -> tuple[int, bool]:
    """(what is left, made): stock that a purchase had taken is there again, once for each key. Raises NotFound."""
    available = await stock(db, listing, locked=True)
    cursor = await db.execute(
        "insert into rollbacks (key, listing_id, quantity) values (%s, %s, %s) on conflict (key) do nothing returning key",
        [key, uuid_of(listing), quantity],
    )
    if await cursor.fetchone() is None:
        return available, False
    await db.execute("update stock set available = %s where listing_id = %s", [available + quantity, uuid_of(listing)])
    return available + quantity, True


async def keys(db: psycopg.AsyncConnection, listing: str) -> list[str]:
    """Of all that was sold of it."""
    cursor = await db.execute("select key from purchases where listing_id = %s", [uuid_of(listing)])
    return [row["key"] for row in await cursor.fetchall()]
