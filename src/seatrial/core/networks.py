"""Networks of instances: packets of one's own along them, to see what became of them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .stack import Instance

NETWORK, DISCONNECT = "network", "disconnect"  # capabilities of a platform


class Means(enum.StrEnum):
    """What is sent."""

    CONNECT = "connect"  # the first packets of a TCP connection to an address of the instance: its kernel answers
    ECHO = "echo"  # ICMP
    NAME = "name"  # a question to the name server that the instance itself asks, sent where the instance is


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """So many at once; `size` in bytes of each (ECHO alone). What is not answered within `patience_ns` is silent."""

    means: Means = Means.CONNECT
    count: int = 1
    size: int = 56
    patience_ns: int = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sounding:
    """What came of one: answered, refused (an answer, too), silent, unreachable; how long that took, ns."""

    outcome: str
    began_ns: int
    took_ns: int

    @property
    def back(self) -> bool:
        """Whether something came back from there."""
        return self.outcome in ("answered", "refused")


@runtime_checkable
class CanSoundNetworks(Protocol):
    """A platform along whose networks one can look. It sends packets of its own and asks nobody who impairs them."""

    async def sound(self, victim: Instance, sound: Sound, origin: Instance | None) -> Sequence[Sounding]:
        """From where `origin` is (None: from this machine; the victim itself: from inside) to the victim.

        Raises NotExercised where that cannot be done, PlatformError for an instance that is down.
        """
        ...
