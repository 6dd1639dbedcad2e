"""What a worker asks of the protocol that its operations are made in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Finished = Callable[[int, int, int], None]  # OK, FAIL or UNKNOWN; a code of ERRORS; the HTTP status (0: none)


class Driver(Protocol):
    """Makes attempts, each on a connection that is free, and tells how each ended, exactly once."""

    async def prepare(self) -> None:
        """Before the first operation is due: what would make it late. Nothing that goes wrong here is of importance."""
        ...

    def attempt(self, number: int, deadline_ns: int, finished: Finished) -> None:
        """Begin an operation by its number. FAIL says that it cannot have happened, UNKNOWN that nobody knows."""
        ...

    def sweep(self, now_ns: int) -> None:
        """End what is over its time; one pass for all is cheaper than a timer for each."""
        ...

    async def close(self) -> None:
        """Close all connections at once."""
        ...

    @property
    def complaints(self) -> list[str]:
        """What went wrong most often, in words."""
        ...
