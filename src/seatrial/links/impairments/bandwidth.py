"""Bandwidth: so many bytes a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..lanes import Piece, Stage, Timed
from .base import Impairment, whole

_SLICE_S = 0.01  # what leaves at once is what a hundredth of a second lets through
_MOST_SLICES = 256  # of a piece: each waits for itself


class Bandwidth(Impairment):
    """`rate`: bytes a second, of each connection and each way."""

    NAME = "bandwidth"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self._rate = whole(arguments, "rate", 1)

    def _stage(self) -> Stage:
        return _Bucket(self._rate)


class _Bucket:
    """One way: the wire is busy until what was sent before has passed."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._slice = max(1, int(rate * _SLICE_S))
        self._free = 0.0

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """In slices, each when its last byte has passed."""
        self._free = max(self._free, at)
        if not isinstance(piece, bytes):
            yield self._free, piece
            return
        size = max(self._slice, -(-len(piece) // _MOST_SLICES))
        for begin in range(0, len(piece), size):
            part = piece[begin : begin + size]
            self._free += len(part) / self._rate
            yield self._free, part
