"""Probe `redis`: a command against Redis or Sentinel."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import INTEGER, TEXT, Field, Shape
from ..core.vocabulary import Verb

VERB = Verb(
    name="redis",
    doc="A command, on a connection of its own. INFO and SENTINEL MASTER answer with a mapping.",
    what=TEXT,
    observes={"reply": Type.ANY},
    run="seatrial.probes.redis:run",
    arguments={"database": Field(shape=Shape(kind=INTEGER.kind, least=0), doc="The number of the database (0).")},
    extra="redis",
    example="redis: PING",
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    try:
        from redis.asyncio import Redis
        from redis.exceptions import AuthenticationError, RedisError, ResponseError
        from redis.exceptions import ConnectionError as Refused
        from redis.exceptions import TimeoutError as TooLate
    except ImportError:
        return probe_error("no-client", "redis is not installed: pip install 'seatrial[redis]'")
    endpoint = next(iter(request.reach.endpoints.values()), None)
    if endpoint is None:
        return target_error("absent", f"{request.reach.name} has no endpoint that is running")
    words = shlex.split(str(request.what))
    record: dict[str, object] = {"command": " ".join(words), "server": f"{endpoint.host}:{endpoint.port}"}
    seconds = request.timeout_ns / 1e9
    database = request.arguments.get("database", 0)
    client = Redis(
        host=endpoint.host, port=endpoint.port, db=database if isinstance(database, int) else 0, protocol=2, decode_responses=True,
        username=request.reach.parameters.get("user"), password=request.reach.parameters.get("password"),
        socket_timeout=seconds, socket_connect_timeout=seconds, single_connection_client=True,
    )  # fmt: skip
    try:
        raw = await client.execute_command(*words)  # type: ignore[no-untyped-call]
    except AuthenticationError as error:
        return probe_error("credentials", str(error), record)
    except TooLate:
        return target_error("timeout", f"{endpoint.host}:{endpoint.port}: no answer in time", record)
    except Refused as error:
        return target_error("refused" if "refused" in str(error).lower() else "reset", str(error), record)
    except ResponseError as error:
        word = str(error).split(" ", 1)[0].lower()
        return target_error(word if word.isalpha() else "reply", str(error), record)
    except (RedisError, OSError) as error:
        return target_error("reset", str(error), record)
    finally:
        await client.aclose()
    reply = structured(words, raw)
    return value({"reply": reply}, {**record, "reply": reply}, f"{' '.join(words)}: {str(reply)[:120]}")


def structured(words: list[str], raw: Any) -> Any:
    """The reply as JSON would have it, with names where the command has them."""
    command = " ".join(w.upper() for w in words[:2])
    if isinstance(raw, Mapping):
        return {str(k): plain(v) for k, v in raw.items()}
    if command.startswith("INFO") and isinstance(raw, str):
        pairs = (line.split(":", 1) for line in raw.splitlines() if ":" in line and not line.startswith("#"))
        return {k: number(v) for k, v in pairs}
    if command in ("SENTINEL MASTER", "CONFIG GET") and isinstance(raw, list) and all(isinstance(x, str) for x in raw):
        return {str(k): number(v) for k, v in zip(raw[::2], raw[1::2], strict=False)}
    if raw is True and command.startswith("PING"):
        return "PONG"
    return plain(raw)


def plain(raw: Any) -> Any:
    """Nested replies as JSON types."""
    if isinstance(raw, list | tuple):
        return [plain(r) for r in raw]
    if isinstance(raw, set | frozenset):
        return sorted(map(str, raw))
    if isinstance(raw, Mapping):
        return {str(k): plain(v) for k, v in raw.items()}
    return raw if raw is None or isinstance(raw, bool | int | float | str) else str(raw)


def number(text: str) -> object:
    """A number where it is one."""
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
