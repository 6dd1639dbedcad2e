"""What records hold, as JSON types."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any

from .intervals import Interval
from .quantities import Quantity

_SCALARS = frozenset({str, int, bool, type(None)})
_PLAINERS: dict[type[Any], Callable[[Any], Any]] = {}  # by exact type: looking it up is slow, and there are a handful


def plain(value: object) -> Any:
    """Anything that events hold, as JSON types; intervals and quantities with their text."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    plainer = _PLAINERS.get(kind)
    if plainer is None:
        plainer = _PLAINERS[kind] = _plainer(kind)
    return plainer(value)


def _plainer(kind: type[Any]) -> Callable[[Any], Any]:
    """How a type is made plain; it holds for all its values."""
    if kind in (Interval, Quantity):
        return _measured
    if issubclass(kind, enum.Enum):
        return lambda value: plain(value.value)
    if issubclass(kind, str | int):
        return str if issubclass(kind, str) else int
    if issubclass(kind, float):
        return lambda value: value if math.isfinite(value) else str(value)
    if dataclasses.is_dataclass(kind):
        names = tuple(f.name for f in dataclasses.fields(kind))
        return lambda value: {name: plain(getattr(value, name)) for name in names}
    if issubclass(kind, Mapping):
        return lambda value: {str(k): plain(v) for k, v in value.items()}
    if issubclass(kind, list | tuple | set | frozenset):
        return lambda value: [plain(v) for v in value]
    if issubclass(kind, bytes):
        return lambda value: value.decode(errors="replace")
    return str


def _measured(value: Interval | Quantity) -> dict[str, Any]:
    low, high = (value.low, value.high) if isinstance(value, Interval) else (value.value, value.value)
    return {"low": low, "high": high, "dimension": value.dimension.value, "text": str(value)}
