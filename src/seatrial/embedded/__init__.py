"""Servers as kinds of service, from wheels or from PATH: a highly available PostgreSQL in a few lines, without Docker.

`KINDS` describes them; what makes them concrete is imported when it is used.
"""

from __future__ import annotations

from .kinds import KINDS

__all__ = ["KINDS"]
