"""What impairments have in common."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from ...core.links import WAYS
from ..lanes import Stage

if TYPE_CHECKING:
    from ..connection import Connection

NS_PER_S = 1_000_000_000


class Admission(enum.IntEnum):
    """What becomes of a new connection; of several answers the largest counts."""

    PASS = 0
    HOLD = 1  # accepted, and nothing comes of it
    RESET = 2
    REFUSE = 3  # nobody listens


class Impairment:
    """An impairment that acts on a link. `direction`: to, from or both, as seen from the client."""

    NAME: ClassVar[str]
    admission: Admission = Admission.PASS

    def __init__(self, arguments: Mapping[str, object]) -> None:
        direction = str(arguments.get("direction", "both"))
        if direction not in (*WAYS, "both"):
            raise ValueError(f"{direction} is no direction: to, from or both")
        self.ways = WAYS if direction == "both" else (direction,)

    def stage(self, way: str) -> Stage | None:
        """What it does to one way through one connection; None where it does nothing."""
        return self._stage() if way in self.ways else None

    def _stage(self) -> Stage | None:
        return None

    def strike(self, connections: Iterable[Connection]) -> None:
        """It begins: what becomes of connections that are there."""

    def lift(self, connections: Iterable[Connection]) -> None:
        """It ends: what becomes of those that it had hit."""


def whole(arguments: Mapping[str, object], name: str, least: int = 0) -> int:
    """A whole number among the arguments. Raises KeyError, TypeError, ValueError."""
    value = arguments[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(name)
    if not least <= value < math.inf:
        raise ValueError(f"{name} is at least {least}")
    return int(value)


def share(arguments: Mapping[str, object], name: str = "share") -> float:
    """A share among the arguments, 1 where there is none. Raises TypeError, ValueError."""
    value = arguments.get(name, 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(name)
    if not 0 < value <= 1:
        raise ValueError(f"{name} is more than 0% and at most 100%")
    return float(value)
