"""What can be wrong with a link: one kind a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .bandwidth import Bandwidth
from .base import Impairment
from .close_after import CloseAfter
from .grpc import Grpc
from .half_open import HalfOpen
from .hold import Hold
from .http import Http
from .latency import Latency
from .refuse import Refuse
from .reset import Reset
from .slow_close import SlowClose
from .stall import Stall

Arguments = Mapping[str, object]
KINDS: Mapping[str, Callable[[Arguments], Impairment]] = {
    kind.NAME: kind
    for kind in (Bandwidth, CloseAfter, Grpc, HalfOpen, Hold, Http, Latency, Refuse, Reset, SlowClose, Stall)
}


def make(kind: str, arguments: Arguments) -> Impairment:
    """An impairment of that kind. Raises ValueError for one that is not known, or whose arguments make no sense."""
    if not isinstance(arguments, Mapping):
        raise ValueError(f"{kind}: its arguments are an object")
    if kind not in KINDS:
        raise ValueError(f"no impairment {kind}; there are {', '.join(KINDS)}")
    try:
        return KINDS[kind](arguments)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{kind}: {error!r} is missing, or of the wrong type") from None


__all__ = ["KINDS", "Impairment", "make"]
