"""What of a plan is to be run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for. `changed`: a git reference, "" for the last GO, None for no such wish."""

    failed: bool = False
    critical: bool = False
    changed: str | None = None

    def __bool__(self) -> bool:
        return self.failed or self.critical or self.changed is not None
