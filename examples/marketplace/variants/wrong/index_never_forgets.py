"""A search index that keeps what was deleted."""

import asyncio

from marketplace import indexing, sync


def orders_of(row):
    """As if everything were active for ever."""
    return right({**row, "status": "active"})


right, indexing.orders_of = indexing.orders_of, orders_of

if __name__ == "__main__":
    asyncio.run(sync.main())
