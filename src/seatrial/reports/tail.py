"""Follows a journal while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.events import JOURNAL, Entry, decode


class Tail:
    """New whole entries of a journal since the last look; a half-written line is left for the next one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL
        self._offset = 0

    def fresh(self) -> Iterator[Entry]:
        """Entries written since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            entry = decode(line.decode("utf-8", errors="replace"))
            if entry is not None:
                yield entry
