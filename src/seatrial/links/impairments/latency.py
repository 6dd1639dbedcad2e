"""Latency: everything takes longer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from ..lanes import Piece, Stage, Timed
from .base import NS_PER_S, Impairment, whole

_PARETO = 3.0  # shape: finite mean and variance, and a tail that reaches ten times the jitter once in a thousand


class Latency(Impairment):
    """`delay_ns`, and up to `jitter_ns` more or less: `uniform`, `normal` (jitter is the standard deviation) or `pareto` (only more, with
    jitter as the mean of what is added).
    """

    NAME = "latency"

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(arguments)
        self._delay = whole(arguments, "delay_ns") / NS_PER_S
        self._jitter = whole(arguments, "jitter_ns") / NS_PER_S if "jitter_ns" in arguments else 0.0
        self._distribution = str(arguments.get("distribution", "uniform"))
        if self._distribution not in DISTRIBUTIONS:
            raise ValueError(f"{self._distribution} is no distribution: {', '.join(DISTRIBUTIONS)}")

    def _stage(self) -> Stage:
        return _Delay(self._delay, self._jitter, self._distribution)


class _Delay:
    """One way; what was sent later never arrives earlier."""

    def __init__(self, delay: float, jitter: float, distribution: str) -> None:
        self._delay, self._jitter, self._draw = delay, jitter, DISTRIBUTIONS[distribution]
        self._last = 0.0

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """A delay is drawn for each piece: for each thing that was written at once."""
        self._last = max(self._last, at + max(0.0, self._delay + (self._draw(self._jitter) if self._jitter else 0.0)))
        yield self._last, piece


def _uniform(jitter: float) -> float:
    return random.uniform(-jitter, jitter)  # noqa: S311 - a network, not a secret


def _normal(jitter: float) -> float:
    return random.gauss(0.0, jitter)


def _pareto(jitter: float) -> float:
    return jitter * (_PARETO - 1) * (random.paretovariate(_PARETO) - 1)


DISTRIBUTIONS = {"uniform": _uniform, "normal": _normal, "pareto": _pareto}
