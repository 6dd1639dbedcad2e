"""What users complained of: scripts that failed, and steps whose answers were not as expected."""

from __future__ import annotations

import traceback
from collections import Counter

from ..arrivals.errors import ERRORS
from .scripts import Unexpected

SCRIPT, UNEXPECTED = ERRORS.index("script"), ERRORS.index("unexpected")
KEPT = 20  # so many different ones


class Complaints:
    """The first different ones, and how often each came."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def keep(self, error: Exception) -> int:
        """With the line that raised it, for a script; returns the code that it counts as."""
        said = str(error) if isinstance(error, Unexpected) else _told(error)
        if said in self._counts or len(self._counts) < KEPT:
            self._counts[said] += 1
        return UNEXPECTED if isinstance(error, Unexpected) else SCRIPT

    def most_common(self) -> list[tuple[str, int]]:
        """The most frequent first."""
        return self._counts.most_common()


def _told(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    name = type(error).__name__
    return f"{name}: {error} ({where})" if str(error) else f"{name} ({where})"
