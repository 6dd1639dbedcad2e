"""Credentials that an identity makes for itself, as against those that a login answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What is sent, and what of it nobody may read: `headers`, and the secrets in them. `lives_ns`: for how long they are good from now
    on (None: for ever).
    """

    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    lives_ns: int | None = None


Maker = Callable[[Mapping[str, object]], Awaitable[Credentials]]  # from rendered arguments; raises SeatrialError
