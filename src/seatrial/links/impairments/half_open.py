"""Half-open: the service's side of connections has gone without a word, as when a machine loses its power."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .base import Impairment

if TYPE_CHECKING:
    from ..connection import Connection


class HalfOpen(Impairment):
    """Connections that are there when it begins: the service sees them end, the client sees nothing, until it ends; then a reset. New ones
    pass.
    """

    NAME = "half-open"

    def strike(self, connections: Iterable[Connection]) -> None:
        """The service's side is gone."""
        for connection in list(connections):
            connection.orphan()

    def lift(self, connections: Iterable[Connection]) -> None:
        """The machine is back, and knows nothing of them."""
        for connection in list(connections):
            if connection.orphaned:
                connection.reset()
