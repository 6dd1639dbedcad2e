"""The request of a workload, with the operation's own places filled in: as bytes of HTTP, or as a client's operation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..clients.http1 import Way
from ..clients.protocol import Operation

_PLACE = re.compile(r"\{\{\s*op\.(id|n|key)\s*\}\}")


class Pattern:
    """Text that was split once at its places, so that filling it in is a join."""

    def __init__(self, text: str) -> None:
        self._pieces = _PLACE.split(text)

    def fill(self, key: str, number: int) -> str:
        """With an operation's key and number."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        values = {"id": key, "key": key, "n": str(number)}
        return "".join(values[p] if i % 2 else p for i, p in enumerate(self._pieces))


def _filler(tree: object) -> Callable[[str, int], object]:
    """A function from an operation's key and number to the tree with its places filled in; a text that is one place keeps its type."""
    if isinstance(tree, str):
        place = _PLACE.fullmatch(tree.strip())
        if place is not None and place[1] == "n":
            return lambda key, number: number
        return Pattern(tree).fill
    if isinstance(tree, Mapping):
        inner = {name: _filler(value) for name, value in tree.items()}
        return lambda key, number: {name: fill(key, number) for name, fill in inner.items()}
    if isinstance(tree, list | tuple):
        items = [_filler(value) for value in tree]
        return lambda key, number: [fill(key, number) for fill in items]
    return lambda key, number: tree


class OperationPattern:
    """The main argument and the others of every operation of a workload."""

    def __init__(self, what: str, arguments: Mapping[str, object], prefix: str) -> None:
        self._what = Pattern(what)
        self._arguments = {name: _filler(value) for name, value in arguments.items()}
        self._prefix = prefix

    def of(self, number: int) -> Operation:
        """One operation."""
        key = f"{self._prefix}{number}"
        arguments = {name: fill(key, number) for name, fill in self._arguments.items()}
        return Operation(self._what.fill(key, number), arguments)


class RequestPattern:
    """Method, path, headers and body of every request of a workload."""

    def __init__(
        self, way: Way, method: str, path: str, headers: Mapping[str, str], body: object, text: str | None
    ) -> None:
        given = {name.lower() for name in headers}
        lines = [f"Host: {way.authority}", "User-Agent: seatrial", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        content = text if text is not None else json.dumps(body, separators=(",", ":")) if body is not None else None
        if content is not None and "content-type" not in given:
            lines.append(
                "Content-Type: application/json" if text is None else "Content-Type: text/plain; charset=utf-8"
            )
        self._head = Pattern(f"{method} {path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n")
        self._body = Pattern(content) if content is not None else None

    def bytes(self, key: str, number: int) -> bytes:
        """One request."""
        head = self._head.fill(key, number)
        if self._body is None:
            return f"{head}\r\n".encode()
        body = self._body.fill(key, number).encode()
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def from_config(config: Mapping[str, Any], way: Way) -> RequestPattern:
    """From a worker's configuration."""
    return RequestPattern(way, config["method"], config["path"], config["headers"], config["json"], config["body"])
