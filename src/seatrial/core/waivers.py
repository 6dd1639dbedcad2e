"""Waivers: a finding that somebody answers for until a day. It stays red; it does not decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from .errors import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """Who waives which finding, why, and until the end of which day (UTC)."""

    finding: str
    by: str
    reason: str
    expires: date
    position: Position | None = None

    def counts(self, today: date) -> bool:
        """Whether it has not expired."""
        return today <= self.expires

    def __str__(self) -> str:
        return f"by {self.by} until {self.expires.isoformat()}: {self.reason}"
