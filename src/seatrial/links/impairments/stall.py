"""Stall: packets are lost. To a program that is a wait for the one that is sent again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from ..lanes import Piece, Stage, Timed
from .base import NS_PER_S, Impairment, share, whole

_MOST_DOUBLINGS = 6


class Stall(Impairment):
    """A `share` of what is written is lost, and arrives after `stall_ns`, doubled with each loss of the same piece (RFC 6298)."""

    NAME = "stall"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self._share = share(arguments)
        self._stall = whole(arguments, "stall_ns") / NS_PER_S

    def _stage(self) -> Stage:
        return _Loss(self._share, self._stall)


class _Loss:
    """One way; what comes behind a lost piece waits for it."""

    def __init__(self, share_: float, stall: float) -> None:
        self._share, self._stall = share_, stall
        self._last = 0.0

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """Late where it is lost."""
        wait, again = 0.0, self._stall
        for _ in range(_MOST_DOUBLINGS):
            if random.random() >= self._share:  # noqa: S311 - a network, not a secret
                break
            wait, again = wait + again, again * 2
        self._last = max(self._last, at + wait)
        yield self._last, piece
