"""Redis by redis-py: connections to the master, commands in words, replies as redis-cli has them, words for what went wrong."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.stack import Endpoint

if TYPE_CHECKING:
    from redis.asyncio import Connection
    from redis.exceptions import RedisError

_PAIRS = ("SENTINEL MASTER", "CONFIG GET")  # flat lists of name and value
_LISTS_OF_PAIRS = ("SENTINEL MASTERS", "SENTINEL REPLICAS", "SENTINEL SLAVES", "SENTINEL SENTINELS")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(\.\d+)?", re.ASCII)
_GRACE_S = 0.05  # for a second master to speak up
_PATIENCE_S = 1.0  # for a master, when others have answered
_Seen = tuple["Connection", int]


class NotConnectedError(Exception):
    """No server of those that were asked can be used. `word` as word_of has it."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        super().__init__(message)


async def connected(
    endpoints: Sequence[Endpoint], database: int, parameters: Mapping[str, str]
) -> tuple[Connection, Endpoint]:
    """To the only endpoint, or to the master; where none says that it is one, to any that answers. Raises NotConnectedError.

    All are asked at the same time: a paused server keeps nobody waiting. Of two that call themselves master (the old one does, until
    it is told) the one that is further on.
    """
    if len(endpoints) == 1:
        return await _opened(endpoints[0], database, parameters), endpoints[0]
    tasks = {asyncio.create_task(_looked_at(e, database, parameters)): e for e in endpoints}
    chosen: asyncio.Task[_Seen] | None = None
    try:
        pending, patience = set(tasks), None
        while pending and not _good(tasks, 0):
            done, pending = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            patience = _PATIENCE_S if _good(tasks, -1) else None
        if pending:
            await asyncio.wait(pending, timeout=_GRACE_S)
        chosen = max(_good(tasks, 0) or _good(tasks, -1), key=lambda task: task.result()[1], default=None)
        if chosen is not None:
            return chosen.result()[0], tasks[chosen]
        raise next(error for t in tasks if (error := t.exception()) is not None)
    finally:
        await _give_up(tasks, chosen)


async def _opened(endpoint: Endpoint, database: int, parameters: Mapping[str, str]) -> Connection:
    from redis.exceptions import RedisError

    connection = _connection(endpoint, database, parameters)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except RedisError as error:
        raise NotConnectedError(word_of(error), f"{endpoint.host}:{endpoint.port}: {error}") from None
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


async def _looked_at(endpoint: Endpoint, database: int, parameters: Mapping[str, str]) -> _Seen:
    """A connection, and how far the master at its end is on; -1 where there is a replica."""
    from redis.exceptions import RedisError, ResponseError

    connection = await _opened(endpoint, database, parameters)
    try:
        await connection.send_command("ROLE")
        role = await connection.read_response()
    except ResponseError:
        return connection, 0  # it does not know of roles, or does not tell them: it is taken for one
    except RedisError as error:
        await connection.disconnect(nowait=True)
        raise NotConnectedError(word_of(error), f"{endpoint.host}:{endpoint.port}: {error}") from None
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    match role:
        case ["master", int() as offset, *_]:
            return connection, offset
        case ["slave", *_]:
            return connection, -1
    return connection, 0


def _good(tasks: Iterable[asyncio.Task[_Seen]], least: int) -> list[asyncio.Task[_Seen]]:
    return [t for t in tasks if t.done() and t.exception() is None and t.result()[1] >= least]


async def _give_up(tasks: Iterable[asyncio.Task[_Seen]], kept: asyncio.Task[_Seen] | None) -> None:
    """Leave no connection behind but the one that is kept."""
    others = [t for t in tasks if t is not kept]
    for task in others:
        task.cancel()
    for seen in await asyncio.gather(*others, return_exceptions=True):
        if isinstance(seen, tuple):
            await seen[0].disconnect(nowait=True)


def _connection(endpoint: Endpoint, database: int, parameters: Mapping[str, str]) -> Connection:
    """Not yet open, and bare: a client would try again on its own, and make what it likes of the reply."""
    from redis.asyncio import Connection, SSLConnection

    kind = SSLConnection if endpoint.scheme == "rediss" else Connection
    return kind(
        host=endpoint.host, port=endpoint.port, db=database, protocol=2, decode_responses=True, encoding_errors="replace",
        username=parameters.get("user"), password=parameters.get("password"), socket_timeout=None, socket_connect_timeout=None,
    )  # fmt: skip


def words(text: str) -> list[str]:
    """The command in words. Raises ValueError for none, or a quote that does not end."""
    found = shlex.split(text)
    if not found:
        raise ValueError("no command is given; for example PING")
    return found


def word_of(error: RedisError) -> str:
    """A word for what went wrong: of the connection, or the first one of the server's own."""
    from redis import exceptions as known

    text = str(error)
    if isinstance(error, known.AuthenticationError) or text.startswith(("WRONGPASS", "NOAUTH")):
        return "credentials"
    if isinstance(error, known.InvalidResponse):
        return "protocol"
    if isinstance(error, known.TimeoutError):
        return "timeout"
    kinds: Sequence[tuple[type[RedisError], str]] = (
        (known.ReadOnlyError, "readonly"),
        (known.BusyLoadingError, "loading"),
        (known.MasterDownError, "masterdown"),
    )
    named = next((word for kind, word in kinds if isinstance(error, kind)), None)
    if named is not None:
        return named
    if isinstance(error, known.ConnectionError):
        return _of_connection(text.lower())
    first = text.split(" ", 1)[0]
    return first.lower() if first.isalpha() and first.isupper() and first != "ERR" else "reply"


def _of_connection(text: str) -> str:
    for part, word in (
        ("refused", "refused"), ("connect call failed", "refused"), ("closed by server", "closed"), ("name or service", "name"),
        ("name resolution", "name"), ("no address", "name"), ("certificate", "tls"), ("ssl", "tls"), ("protocol", "protocol"),
    ):  # fmt: skip
        if part in text:
            return word
    return "reset"


def structured(command: Sequence[str], raw: Any) -> Any:
    """The reply as JSON would have it, with names where the command has them."""
    name = " ".join(w.upper() for w in command[:2])
    first = command[0].upper()
    if isinstance(raw, str) and first == "INFO":
        pairs = (line.split(":", 1) for line in raw.splitlines() if ":" in line and not line.startswith("#"))
        return {key: _fields(text) for key, text in pairs}
    if isinstance(raw, list) and first == "HGETALL":
        return {str(k): plain(v) for k, v in zip(raw[::2], raw[1::2], strict=False)}
    if isinstance(raw, list) and name in _PAIRS:
        return _mapping(raw)
    if isinstance(raw, list) and name in _LISTS_OF_PAIRS:
        return [_mapping(r) if isinstance(r, list) else plain(r) for r in raw]
    return plain(raw)


def plain(raw: Any) -> Any:
    """Nested replies as JSON types."""
    if isinstance(raw, list | tuple):
        return [plain(r) for r in raw]
    return raw if raw is None or isinstance(raw, bool | int | float | str) else str(raw)


def _mapping(raw: list[Any]) -> dict[str, Any]:
    return {str(k): number(v) if isinstance(v, str) else plain(v) for k, v in zip(raw[::2], raw[1::2], strict=False)}


def _fields(text: str) -> object:
    """A number, or the fields of a line like keys=1,expires=0."""
    parts = [part.partition("=") for part in text.split(",")]
    if all(name.isidentifier() and sign for name, sign, _ in parts):
        return {name: number(v) for name, _, v in parts}
    return number(text)


def number(text: str) -> object:
    """A number where it is one; what begins with a needless 0 is a name (0000 of a digest)."""
    match = _NUMBER.fullmatch(text)
    return text if match is None else float(text) if match[1] else int(text)
