"""Probe `redis`: a command against Redis or Sentinel."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, target_error, value
from ..core.shapes import INTEGER, TEXT, Field, Shape
from ..core.vocabulary import Verb
from .aiming import endpoints, located

if TYPE_CHECKING:
    from redis.exceptions import RedisError

    from ..core.stack import Endpoint

SCHEMES = ("redis", "rediss")
_PAIRS = ("SENTINEL MASTER", "CONFIG GET")  # flat lists of name and value
_LISTS_OF_PAIRS = ("SENTINEL MASTERS", "SENTINEL REPLICAS", "SENTINEL SLAVES", "SENTINEL SENTINELS")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(\.\d+)?", re.ASCII)
_NOT_DONE = ("refused", "name", "readonly", "loading", "masterdown")  # it cannot have acted: the next one is asked

VERB = Verb(
    name="redis",
    doc="A command, on a connection of its own; its reply as redis-cli has it. INFO, HGETALL, CONFIG GET and SENTINEL "
    "MASTER answer with a mapping. A service as a whole: at the first instance that does not turn it away.",
    what=TEXT,
    observes={"reply": Type.ANY},
    run="seatrial.probes.redis:run",
    arguments={"database": Field(shape=Shape(kind=INTEGER.kind, least=0), doc="The number of the database (0).")},
    extra="redis",
    client="redis",
    sent=("database",),
    schemes=SCHEMES,
    example="redis: PING",
)


def words(text: str) -> list[str]:
    """The command in words. Raises ValueError for none, or a quote that does not end."""
    found = shlex.split(text)
    if not found:
        raise ValueError("no command is given; for example PING")
    return found


async def run(request: ProbeRequest) -> Observation:
    """One attempt, which has one time for all the instances that it asks."""
    try:
        import redis.asyncio  # noqa: F401 - is it there
    except ImportError:
        return probe_error("no-client", "redis is not installed: pip install 'seatrial[redis]'")
    found = endpoints(request, SCHEMES)
    if isinstance(found, Observation):
        return found
    try:
        command = words(str(request.what))
    except ValueError as error:
        return probe_error("spec", f"{request.what}: {error}")
    deadline_ns = time.monotonic_ns() + request.timeout_ns
    observation = target_error("absent", f"{request.reach.name} has no endpoint that is running")
    for endpoint in found:
        observation = located(await _ask(request, endpoint, command, deadline_ns), request, endpoint)
        if observation.seen is not Seen.TARGET_ERROR or observation.error not in _NOT_DONE:
            break
    return observation


async def _ask(request: ProbeRequest, endpoint: Endpoint, command: list[str], deadline_ns: int) -> Observation:
    from redis.asyncio import Connection, SSLConnection
    from redis.exceptions import RedisError

    server = f"{endpoint.host}:{endpoint.port}"
    record: dict[str, object] = {"command": shlex.join(command), "server": server}
    database = request.arguments.get("database", 0)
    parameters = request.reach.parameters
    kind = SSLConnection if endpoint.scheme == "rediss" else Connection
    # A bare connection: a client would try again on its own, and make what it likes of the reply.
    connection = kind(
        host=endpoint.host, port=endpoint.port, db=database if isinstance(database, int) else 0, protocol=2,
        decode_responses=True, encoding_errors="replace", username=parameters.get("user"), password=parameters.get("password"),
    )  # fmt: skip
    try:
        async with asyncio.timeout((deadline_ns - time.monotonic_ns()) / 1e9):
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command(*command)
            raw = await connection.read_response()
    except TimeoutError:
        return target_error("timeout", f"{server}: no answer in time", record)
    except RedisError as error:
        word = word_of(error)
        say = probe_error if word == "credentials" else target_error
        return say(word, f"{server}: {error}", record)
    except OSError as error:
        return target_error("reset", f"{server}: {error}", record)
    finally:
        await connection.disconnect(nowait=True)
    reply = structured(command, raw)
    return value({"reply": reply}, {**record, "reply": reply}, f"{record['command']}: {str(reply)[:120]}")


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
