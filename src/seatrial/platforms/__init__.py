"""Where a stack runs: local processes, or endpoints that run elsewhere. `KINDS` are the kinds of service they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kinds import KINDS

__all__ = ["KINDS"]


def __getattr__(name: str) -> Any:
    """The kinds when they are asked for: small programs of these packages start without them."""
    if name != "KINDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .kinds import KINDS

    return KINDS
