"""Values of a trial, and secrets, as the steps see them."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.expressions import Missing


class Values:
    """Names to values: the trial's own, then what setup and scenarios saved (inner ones shadow outer ones)."""

    def __init__(self, base: Mapping[str, object], parent: Values | None = None) -> None:
        self._own = dict(base)
        self._parent = parent

    def child(self) -> Values:
        """A scope inside this one."""
        return Values({}, self)

    def save(self, name: str, value: object) -> None:
        """Set a value in this scope."""
        self._own[name] = value

    def adopt(self, other: Values) -> None:
        """Take over what another scope saved (a scenario that this one needs)."""
        self._own.update(other._own)

    def all(self) -> dict[str, object]:
        """Everything in sight."""
        outer = self._parent.all() if self._parent else {}
        return {**outer, **self._own}


def missing(value: object) -> bool:
    """Whether a path led nowhere."""
    return isinstance(value, Missing)
