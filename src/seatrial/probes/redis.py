"""Probe `redis`: a command against Redis or Sentinel."""

from __future__ import annotations

import asyncio
import shlex

from ..clients.redis_wire import NotConnectedError, connected, structured, word_of, words
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import INTEGER, TEXT, Field, Shape
from ..core.stack import Endpoint
from ..core.vocabulary import Verb
from ..core.writing import redis_writes
from .aiming import endpoints, located

SCHEMES = ("redis", "rediss")


def check_command(text: str) -> str | None:
    """What is wrong with a command that is written out."""
    try:
        words(text)
    except ValueError as error:
        said = str(error).partition(";")[0]
        return f"{said[:1].lower()}{said[1:]}; words are parted as in a shell: SET greeting 'hello world'"
    return None


VERB = Verb(
    name="redis",
    doc="A command, on a connection of its own; its reply as redis-cli has it. INFO, HGETALL, CONFIG GET and SENTINEL "
    "MASTER answer with a mapping. A service as a whole: at its master.",
    what=TEXT,
    observes={"reply": Type.ANY},
    run="seatrial.probes.redis:run",
    arguments={"database": Field(shape=Shape(kind=INTEGER.kind, least=0), doc="The number of the database (0).")},
    extra="redis",
    client="redis",
    sent=("database",),
    schemes=SCHEMES,
    example="redis: PING",
    check_what=check_command,
    writes=redis_writes,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
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
    record: dict[str, object] = {"command": shlex.join(command), "servers": [f"{e.host}:{e.port}" for e in found]}
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            return await _asked(request, found, command, record)
    except TimeoutError:
        return target_error("timeout", f"{record.get('server', request.reach.name)}: no answer in time", record)
    except NotConnectedError as error:
        return (probe_error if error.word == "credentials" else target_error)(error.word, str(error), record)


async def _asked(
    request: ProbeRequest, found: list[Endpoint], command: list[str], record: dict[str, object]
) -> Observation:
    from redis.exceptions import RedisError

    database = request.arguments.get("database", 0)
    connection, endpoint = await connected(
        found, database if isinstance(database, int) else 0, request.reach.parameters
    )
    server = record["server"] = f"{endpoint.host}:{endpoint.port}"
    try:
        await connection.send_command(*command)
        raw = await connection.read_response()
    except (RedisError, OSError) as error:
        word = word_of(error) if isinstance(error, RedisError) else "reset"
        say = probe_error if word == "credentials" else target_error
        return located(say(word, f"{server}: {error}", record), request, endpoint)
    finally:
        await connection.disconnect(nowait=True)
    reply = structured(command, raw)
    record["reply"] = reply
    return located(value({"reply": reply}, record, f"{record['command']}: {str(reply)[:120]}"), request, endpoint)
