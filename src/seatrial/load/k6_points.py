"""Reads what k6 says of its requests while it runs: `k6 run --out json=...`.

Format: https://grafana.com/docs/k6/latest/results-output/real-time/json/: a line is {"type": "Point", "metric": name, "data": {"time":
RFC 3339, "value": ms, "tags": {...}}}, or a Metric, which declares one. A duration has the time of its end, that of a WebSocket of its
beginning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .tool import CLIENT_ERROR, CLOSED, NAME, PROTOCOL, REFUSED, RESET, SCRIPT, SERVER_ERROR, TIMEOUT, TLS

REQUESTS = ("http_req_duration", "grpc_req_duration", "ws_connecting", "ws_ping")
COUNTS = ("data_received", "checks", "iterations", "dropped_iterations", "vus")
_LONGEST = 1 << 24  # bytes of a line without an end
_WANTED = re.compile(rb'"metric"\s*:\s*"(?:%s)"' % b"|".join(n.encode() for n in (*REQUESTS, *COUNTS)))
_ERRORS = {  # https://grafana.com/docs/k6/latest/javascript-api/error-codes/
    1050: TIMEOUT, 1101: NAME, 1110: NAME, 1201: RESET, 1211: TIMEOUT, 1212: REFUSED, 1220: RESET,
}  # fmt: skip
_RANGES = (
    (1100, 1199, NAME),
    (1200, 1299, CLOSED),
    (1300, 1399, TLS),
    (1400, 1499, CLIENT_ERROR),
    (1500, 1599, SERVER_ERROR),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A request that has ended. Times in ns, `began` of the wall clock; `error` as in arrivals.errors.ERRORS."""

    tag: str
    began: int
    took: int
    error: int


@dataclass(frozen=True, slots=True)
class Count:
    """Anything else: so much of it, now (vus) or more (the others)."""

    metric: str
    value: float


class Points:
    """Takes bytes as they come, whatever they are cut into."""

    def __init__(self, base: str = "") -> None:
        # What comes before the path of those requests that have no name of their own.
        self._bases = (base, base.partition("://")[2]) if "://" in base else ()
        self._rest = b""

    def feed(self, data: bytes) -> Iterable[Point | Count]:
        """What the lines say that have ended. What is no point is passed over."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            self._rest = b""
        found = (self._read(line) for line in lines if _WANTED.search(line))
        return [f for f in found if f is not None]

    def _read(self, line: bytes) -> Point | Count | None:
        try:
            said = json.loads(line)
            if said["type"] != "Point":
                return None
            metric, data = said["metric"], said["data"]
            if metric in COUNTS:
                return Count(metric, float(data["value"]))
            return self._request(metric, data) if metric in REQUESTS else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _request(self, metric: str, data: Mapping[str, Any]) -> Point:
        tags = data.get("tags") or {}
        at, took = int(datetime.fromisoformat(data["time"]).timestamp() * 1e9), int(float(data["value"]) * 1e6)
        name = str(tags.get("name") or tags.get("url") or "")
        for base in self._bases:
            name = (name[len(base) :] or "/") if name.startswith(base) else name
        verb = {"http_req_duration": tags.get("method", ""), "ws_connecting": "WS", "ws_ping": "WS ping"}.get(
            metric, "GRPC"
        )
        began = at if metric.startswith("ws_") else at - took
        return Point(f"{verb} {name}".strip(), began, took, error_of(metric, tags))


def error_of(metric: str, tags: Mapping[str, Any]) -> int:
    """The code of a request by its tags, 0 for a good one. `expected_response` is k6's own word, where it gave one."""
    status, code = _number(tags.get("status")), _number(tags.get("error_code"))
    if metric == "grpc_req_duration":
        return 0 if status == 0 else SCRIPT
    expected = str(tags.get("expected_response", "")).lower()
    if expected == "true" or (
        expected != "false" and not code and (status or 0) < 400 and (status or metric.startswith("ws_"))
    ):
        return 0
    return _code(code or 0, status or 0)


def _code(code: int, status: int) -> int:
    if code in _ERRORS:
        return _ERRORS[code]
    for low, high, found in _RANGES:
        if low <= code <= high:
            return found
    if 1600 <= code < 1700:
        return PROTOCOL
    if status >= 400:
        return SERVER_ERROR if status >= 500 else CLIENT_ERROR
    return SCRIPT if status else CLOSED


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() else None
