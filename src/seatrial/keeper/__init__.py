"""The owning process of a trial: it starts, supervises, breaks and ends, and outlives whoever asked it to.

`KeeperClient` is the way to it; `undo` does its work when it is gone too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import KeeperClient
    from .undoing import OwnedTrial, UndoReport, list_owned, undo, undo_all

__all__ = ["KeeperClient", "OwnedTrial", "UndoReport", "list_owned", "undo", "undo_all"]
_HOMES = {"KeeperClient": "client"}


def __getattr__(name: str) -> object:
    # The keeper itself needs none of these, and is to start fast.
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'undoing')}", __name__), name)
