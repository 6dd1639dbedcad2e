"""Close after so many bytes: an answer that breaks off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..lanes import NEVER, Piece, Signal, Stage, Timed
from .base import Impairment, whole


class CloseAfter(Impairment):
    """After `bytes` one way the connection is over: `how` is reset or fin."""

    NAME = "close-after"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self._bytes = whole(arguments, "bytes")
        self._how = Signal(str(arguments.get("how", "reset")))

    def _stage(self) -> Stage:
        return _Limit(self._bytes, self._how)


class _Limit:
    """One way."""

    def __init__(self, left: int, how: Signal) -> None:
        self._left, self._how = left, how
        self._over = False

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """What is left of the allowance, then the end."""
        if self._over:
            yield NEVER, piece
        elif not isinstance(piece, bytes) or len(piece) < self._left:
            self._left -= len(piece) if isinstance(piece, bytes) else 0
            yield at, piece
        else:
            self._over = True
            if self._left:
                yield at, piece[: self._left]
            yield at, self._how
