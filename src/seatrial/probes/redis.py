"""Probe `redis`: a command against Redis or Sentinel."""

from __future__ import annotations

import asyncio
import shlex
import time

from ..clients.redis import TURNED_AWAY, connection_to, structured, word_of, words
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, target_error, value
from ..core.shapes import INTEGER, TEXT, Field, Shape
from ..core.stack import Endpoint
from ..core.vocabulary import Verb
from .aiming import endpoints, located


def check_command(text: str) -> str | None:
    """What is wrong with a command that is written out."""
    try:
        words(text)
    except ValueError as error:
        return f"{str(error)[:1].lower()}{str(error)[1:]} in {text!r}; words are parted as in a shell: SET greeting 'hello world'"
    return None


VERB = Verb(
    name="redis",
    doc="A command, on a connection of its own; its reply as redis-cli has it. INFO, HGETALL, CONFIG GET and SENTINEL "
    "MASTER answer with a mapping. A service as a whole: at the first instance that does not turn it away.",
    what=TEXT,
    observes={"reply": Type.ANY},
    run="seatrial.probes.redis:run",
    arguments={"database": Field(shape=Shape(kind=INTEGER.kind, least=0), doc="The number of the database (0).")},
    extra="redis",
    example="redis: PING",
    check_what=check_command,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt, which has one time for all the instances that it asks."""
    try:
        import redis.asyncio  # noqa: F401 - is it there
    except ImportError:
        return probe_error("no-client", "redis is not installed: pip install 'seatrial[redis]'")
    found = endpoints(request, ("redis", "rediss"))
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
        if observation.seen is not Seen.TARGET_ERROR or observation.error not in TURNED_AWAY:
            break
    return observation


async def _ask(request: ProbeRequest, endpoint: Endpoint, command: list[str], deadline_ns: int) -> Observation:
    from redis.exceptions import RedisError

    server = f"{endpoint.host}:{endpoint.port}"
    record: dict[str, object] = {"command": shlex.join(command), "server": server}
    database = request.arguments.get("database", 0)
    connection = connection_to(endpoint, database if isinstance(database, int) else 0, request.reach.parameters)
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
