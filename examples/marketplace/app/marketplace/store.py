"""A database: a pool of connections, and whether it answers at all.

When it is gone, that is known after the first failure: nobody waits for it in turn, and a watcher finds out when it is back.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

log = logging.getLogger("store")
_LOOK_S = 0.25
_ANSWER_S = 1.0
_EVERY_S = 1.0
GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Gone(Exception):
    """The database does not answer."""


class Store:
    """One database."""

    def __init__(self, dsn: str, *, size: int, wait_s: float = 0.5) -> None:
        self.up = False
        # A server that hangs ends a statement by itself when it goes on; keepalives tell one that has vanished.
        settings = {"options": "-c statement_timeout=5000", "keepalives_idle": 5, "row_factory": dict_row}
        self._pool = AsyncConnectionPool(
            dsn, min_size=size, max_size=size, timeout=wait_s, open=False, reconnect_timeout=5, kwargs=settings
        )
        self._dsn = dsn
        self._doubt = asyncio.Event()
        self._watcher: asyncio.Task | None = None

    async def open(self) -> None:
        """Begin to connect; it need not be there yet."""
        await self._pool.open(wait=False)
        self._doubt.set()
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Give the connections back."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._pool.close(timeout=2)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """A connection in a transaction. Raises Gone."""
        if not self.up:
            raise Gone("the database is gone")
        try:
            async with self._pool.connection() as connection:
                yield connection
        except GONE as error:
            # That all connections are busy, or one statement was ended, is no reason to think that it is gone, but one to look.
            if not isinstance(error, PoolTimeout) and (error.sqlstate or "57P")[:3] == "57P":
                self.up = False
            self._doubt.set()
            raise Gone(f"the database did not answer: {type(error).__name__}: {error}".strip()) from error
        except asyncio.CancelledError:  # whoever waited for it waits no longer
            self._doubt.set()
            raise

    async def _watch(self) -> None:
        own: psycopg.AsyncConnection | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._doubt.wait()
            self._doubt.clear()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    if own is None:
                        own = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
                    await own.execute("select 1")
            except (*GONE, TimeoutError, OSError) as error:
                log.warning("the database is gone: %s", error)
                self.up = False
                self._doubt.set()
                if own is not None:
                    own.pgconn.finish()  # at once: who is silent is not asked to say goodbye
                    own = None
                await asyncio.sleep(_LOOK_S)
                continue
            if not self.up:
                await self._refresh()
                log.info("the database answers")
                self.up = True

    async def _refresh(self) -> None:
        """Connections of the time before it went are replaced, not tried one after the other by those who ask."""
        with contextlib.suppress(*GONE, TimeoutError):
            async with asyncio.timeout(3):
                await self._pool.check()

    async def answers(self) -> bool:
        """Ask it now, on a connection of the pool."""
        try:
            async with asyncio.timeout(_ANSWER_S), self.transaction() as connection:
                await connection.execute("select 1")
        except (Gone, TimeoutError):
            return False
        return True
