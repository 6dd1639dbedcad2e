"""What a generator asks of a client, whatever it speaks.

A client is one connection, of one user, for one operation at a time. It connects when it is first used, and anew after it failed: what
it costs to find a server again is part of the operation that had to.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..arrivals.errors import ERRORS


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Where to, and as whom. `urls`: scheme://host:port of each instance, in the order to try them; `parameters`: the service's own
    (user, password, dbname); `headers`: of the identity; `verify`: as the http probe has it; `cert`, `key`: the client's own.
    """

    urls: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool | str = True
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to ask: a verb's main argument, rendered, and its other arguments."""

    what: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `value`: of HTTP the body in bytes, else what the protocol has (rows, a reply, a message); `status`: of HTTP, else 0;
    `headers`: names in lower case; `size` in bytes where it is known; `lasted_ns`: from when it was asked, with all that this takes in
    place, to the answer's end, where the client tells it apart.
    """

    value: Any = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    lasted_ns: int = 0

    @property
    def text(self) -> str:
        """The value as text."""
        return self.value.decode(errors="replace") if isinstance(self.value, bytes) else str(self.value)

    def json(self) -> Any:
        """The value read as JSON. Raises ValueError where it is none."""
        return json.loads(self.value)


class Failure(Exception):  # noqa: N818 - an outcome, not a mistake
    """The operation had no good answer.

    `code` as in arrivals.errors.ERRORS. `happened`: False where nothing can have been changed (never sent, or turned down as a whole),
    None where that is unknown. `lost`: the connection is of no use any more. `word`: the protocol's own for it (NOT_FOUND, READONLY).
    `lasted_ns` as in Reply.
    """

    def __init__(
        self,
        code: int,
        message: str = "",
        *,
        happened: bool | None = None,
        lost: bool = True,
        word: str = "",
        lasted_ns: int = 0,
    ) -> None:
        self.code, self.happened, self.lost, self.word, self.lasted_ns = code, happened, lost, word, lasted_ns
        super().__init__(message)


def code_of(error: Exception) -> int:
    """What kept a connection from being made, as in arrivals.errors.ERRORS."""
    text = str(error)
    if isinstance(error, ssl.SSLError):
        word = "tls"
    elif isinstance(error, TimeoutError):
        word = "timeout"
    elif isinstance(error, UnicodeError | socket.gaierror):
        word = "name"
    elif (
        isinstance(error, ConnectionRefusedError | FileNotFoundError)
        or "refused" in text.lower()
        or "Errno 111" in text
    ):
        word = "refused"  # asyncio makes one error of several addresses that refuse
    else:
        word = "reset"
    return ERRORS.index(word)


class Client(Protocol):
    """One connection. Who cancels a call has to close it: the answer would be taken for that of the next one."""

    @property
    def connected(self) -> bool:
        """There is a connection, as far as is known."""
        ...

    async def connect(self) -> None:
        """Connect now, unless it is. Raises Failure."""
        ...

    async def call(self, operation: Operation) -> Reply:
        """Raises Failure."""
        ...

    async def close(self) -> None:
        """At once, without asking the server."""
        ...


Connect = Callable[[], Client]  # one more client; what clients share (streams of one connection) is behind it
Connector = Callable[[Access], Connect]
