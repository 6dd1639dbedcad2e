"""seatrial: prove that a deployed system is ready for production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.python import Stack, stack
    from .core.scenarios import scenario

__version__ = "0.1.0"
__all__ = ["Stack", "__version__", "scenario", "stack"]
_HOMES = {"Stack": "api.python", "stack": "api.python", "scenario": "core.scenarios"}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are used: the command line starts without them."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
