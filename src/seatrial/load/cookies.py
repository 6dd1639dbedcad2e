"""Cookies of one user at one service."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime


class Jar:
    """Path and expiry are honoured; Domain and Secure are not: there is one service, and TLS may end before it."""

    def __init__(self) -> None:
        # By name and path: value as it was set, end in s since the epoch.
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}
        self._least = math.inf  # when the next one ends

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, lines: Sequence[str], path: str) -> None:
        """What an answer to a request for a path set, read as RFC 6265, 5.2 has it; what makes no sense is passed over, as browsers do."""
        for line in lines:
            pair, *rest = line.split(";")
            name, sign, value = pair.partition("=")
            if sign and name.strip() and not any(c in pair for c in "\r\n\0"):
                parts = (attribute.partition("=") for attribute in rest)
                self._put(name.strip(), value.strip(), {n.strip().lower(): v.strip() for n, _, v in parts}, path)

    def _put(self, name: str, value: str, attributes: Mapping[str, str], path: str) -> None:
        where = attributes.get("path", "")
        if not where.startswith("/"):
            where = path.partition("?")[0].rpartition("/")[0] or "/"
        end = _end(attributes)
        if end <= time.time():
            self._kept.pop((name, where), None)
            return
        self._kept[name, where] = (value, end)
        self._least = min(self._least, end)

    def line(self, path: str) -> str:
        """The header line for a request, with its end; empty where there is nothing to send. Longer paths come first (RFC 6265)."""
        if not self._kept:
            return ""
        if self._least <= time.time():
            now = time.time()
            self._kept = {key: (value, end) for key, (value, end) in self._kept.items() if end > now}
            self._least = min((end for _, end in self._kept.values()), default=math.inf)
        plain = path.partition("?")[0]
        found = [(name, value, where) for (name, where), (value, _) in self._kept.items() if _within(plain, where)]
        if not found:
            return ""
        found.sort(key=lambda each: -len(each[2]))
        return f"Cookie: {'; '.join(f'{name}={value}' for name, value, _ in found)}\r\n"


def _within(path: str, where: str) -> bool:
    return where == "/" or path == where or path.startswith(where if where.endswith("/") else f"{where}/")


def _end(attributes: Mapping[str, str]) -> float:
    """When a cookie ends, in s since the epoch; never where it does not say, or says nonsense."""
    age, expires = attributes.get("max-age"), attributes.get("expires")
    try:
        if age:
            return time.time() + int(age)
        return parsedate_to_datetime(expires).timestamp() if expires else math.inf
    except (ValueError, OverflowError):
        return math.inf
