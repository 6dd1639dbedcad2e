"""Cookies of one user at one service."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, Morsel, SimpleCookie


class Jar:
    """Path and expiry are honoured; Domain and Secure are not: there is one service, and TLS may end before it."""

    def __init__(self) -> None:
        self._kept: dict[
            tuple[str, str], tuple[str, float]
        ] = {}  # by name and path: value as it was set, end in s since the epoch
        self._least = math.inf  # when the next one ends

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, lines: Sequence[str], path: str) -> None:
        """What an answer to a request for a path set; a cookie that makes no sense is passed over, as browsers do."""
        for line in lines:
            cookie: SimpleCookie = SimpleCookie()
            try:
                cookie.load(line)
            except CookieError:
                continue
            for morsel in cookie.values():
                self._put(morsel, path)

    def _put(self, morsel: Morsel[str], path: str) -> None:
        where = morsel["path"]
        if not where.startswith("/"):
            where = path.partition("?")[0].rpartition("/")[0] or "/"
        end = _end(morsel)
        if end <= time.time():
            self._kept.pop((morsel.key, where), None)
            return
        self._kept[morsel.key, where] = (morsel.coded_value, end)
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


def _end(morsel: Morsel[str]) -> float:
    """When a cookie ends; never where it does not say, or says nonsense."""
    age = morsel["max-age"]
    try:
        if age:
            return time.time() + int(age)
        return parsedate_to_datetime(morsel["expires"]).timestamp() if morsel["expires"] else math.inf
    except (ValueError, OverflowError):
        return math.inf
