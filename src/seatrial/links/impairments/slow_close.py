"""Slow close: the end of a connection takes long to arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..lanes import Piece, Stage, Timed
from .base import NS_PER_S, Impairment, whole


class SlowClose(Impairment):
    """FIN and RST arrive `delay_ns` late."""

    NAME = "slow-close"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self._delay = whole(arguments, "delay_ns") / NS_PER_S

    def _stage(self) -> Stage:
        return _LateEnd(self._delay)


class _LateEnd:
    """One way."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """Data at once, the end late."""
        yield at if isinstance(piece, bytes) else at + self._delay, piece
