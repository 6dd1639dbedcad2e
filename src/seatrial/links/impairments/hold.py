"""Hold: nothing passes until it ends (a black hole both ways, a partition one way). Nothing is lost: TCP would send it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..lanes import NEVER, Piece, Stage, Timed
from .base import Admission, Impairment


class Hold(Impairment):
    """New connections are accepted, as a kernel does; they reach the service when it ends, or one way when only the other is held."""

    NAME = "hold"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        # Who cannot send there cannot connect there either; where only answers are held, a request does reach the service.
        if "to" in self.ways:
            self.admission = Admission.HOLD

    def _stage(self) -> Stage:
        return _Nothing()


class _Nothing:
    """One way."""

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """Never."""
        del at
        yield NEVER, piece
