"""Faults and their witnesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .platforms import Platform
from .stack import Instance


@dataclass(frozen=True, kw_only=True, slots=True)
class Testimony:
    """What an independent witness saw, and when (ns). `acted` False: it looked, and the fault had not acted."""

    acted: bool
    at_ns: int
    witness: str  # who saw it: "process table", "tcp connect"
    detail: str  # what was seen, for people


class Fault(Protocol):
    """A fault that acts on instances of a platform; made anew for each injection."""

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Act. Returns when acted upon, not when seen."""
        ...

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Look once, by other means than the injection's, at what became of a victim (as it was before)."""
        ...

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Undo what lives on; called once, also after a cancelled injection."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultOrder:
    """What a fault is made with: its class is called as Class(order)."""

    hold_ns: int | None
    arguments: Mapping[str, object]
