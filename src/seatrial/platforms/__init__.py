"""Where a stack runs: local processes, or endpoints that run elsewhere. `KINDS` are the kinds of service they bring."""

from __future__ import annotations

from .kinds import KINDS

__all__ = ["KINDS"]
