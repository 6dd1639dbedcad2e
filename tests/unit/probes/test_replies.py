"""Replies of Redis and values of PostgreSQL as JSON has them; words for what went wrong; which address is meant."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid

import psycopg
import pytest
from psycopg import errors
from redis import exceptions

from seatrial.clients.postgres import explained, plain
from seatrial.clients.redis_wire import number, structured, word_of, words
from seatrial.core.observations import Observation, ProbeRequest, Reach, value
from seatrial.core.stack import Endpoint, Instance, InstanceState
from seatrial.probes.aiming import endpoints, located


@pytest.mark.parametrize(
    ("command", "raw", "reply"),
    [
        ("PING", "PONG", "PONG"),
        ("GET x", None, None),
        ("LRANGE x 0 -1", ["a", ["b"]], ["a", ["b"]]),
        ("info", "# Server\r\nredis_version:6.2.9\r\nuptime:3\r\nload:0.5\r\n", {"redis_version": "6.2.9", "uptime": 3, "load": 0.5}),
        ("INFO keyspace", "db0:keys=1,expires=0", {"db0": {"keys": 1, "expires": 0}}),
        ("hgetall x", ["sku", "007"], {"sku": "007"}),
        ("CONFIG GET maxmemory", ["maxmemory", "0"], {"maxmemory": 0}),
        ("SENTINEL MASTER m", ["name", "m", "quorum", "2"], {"name": "m", "quorum": 2}),
        ("SENTINEL REPLICAS m", [["name", "r", "port", "1"]], [{"name": "r", "port": 1}]),
    ],
)  # fmt: skip
def test_replies_have_names_where_the_command_has_them(command: str, raw: object, reply: object) -> None:
    assert structured(words(command), raw) == reply


@pytest.mark.parametrize(
    ("text", "seen"),
    [("0", 0), ("-3", -3), ("1.50", 1.5), ("007", "007"), ("000", "000"), ("1e5", "1e5"), ("nan", "nan"), ("", ""),
     ("6.2.9", "6.2.9"), ("9" * 40, "9" * 40)],
)  # fmt: skip
def test_a_number_is_one_that_is_written_like_one(text: str, seen: object) -> None:
    assert number(text) == seen
    assert type(number(text)) is type(seen)


@pytest.mark.parametrize("text", ["", "   ", "GET 'x"])
def test_a_command_without_words_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        words(text)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (exceptions.AuthenticationError("invalid password"), "credentials"),
        (exceptions.InvalidResponse("Protocol Error: b'HTTP'"), "protocol"),
        (exceptions.TimeoutError("Timeout reading from socket"), "timeout"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "readonly"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused."), "refused"),
        (exceptions.ConnectionError("Connection closed by server."), "closed"),
        (exceptions.ConnectionError("Error -2 connecting to x:1. Name or service not known."), "name"),
        (exceptions.ConnectionError("Error 104 while reading: Connection reset by peer"), "reset"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), "wrongtype"),
        (exceptions.ResponseError("unknown command 'X'"), "reply"),
    ],
)
def test_words_for_what_redis_says(error: exceptions.RedisError, word: str) -> None:
    assert word_of(error) == word


@pytest.mark.parametrize(
    ("error", "word", "ours"),
    [
        (psycopg.OperationalError('connection failed: FATAL:  password authentication failed for user "x"'), "credentials", True),
        (psycopg.OperationalError("connection failed: FATAL:  the database system is starting up"), "starting", False),
        (psycopg.OperationalError("connection failed: FATAL:  the database system is shutting down"), "shutdown", False),
        (psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already"), "busy", False),
        (psycopg.OperationalError('connection failed: FATAL:  database "x" does not exist'), "absent", False),
        (psycopg.OperationalError('connection to server at "127.0.0.1", port 1 failed: Connection refused'), "refused", False),
        (psycopg.OperationalError("connection failed: session is read-only"), "read-only", False),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "reset", False),
        (psycopg.OperationalError("failed to resolve host 'x': [Errno -2] Name or service not known"), "name", False),
        (psycopg.ProgrammingError("the query has 2 placeholders but 1 parameters were passed"), "statement", True),
        (errors.SyntaxError("syntax error at or near"), "statement", True),
        (errors.UndefinedTable("relation does not exist"), "sql", False),
        (errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"), "read-only", False),
        (errors.QueryCanceled("canceling statement due to statement timeout"), "timeout", False),
        (errors.AdminShutdown("terminating connection due to administrator command"), "shutdown", False),
        (errors.UniqueViolation("duplicate key value"), "sql", False),
    ],
)  # fmt: skip
def test_words_for_what_postgres_says(error: psycopg.Error, word: str, ours: bool) -> None:
    told = explained([error])
    assert (told.word, told.ours) == (word, ours)


def test_of_several_servers_the_most_telling_error_speaks_with_all_their_words() -> None:
    refused = psycopg.OperationalError("Connection refused")
    standby = psycopg.OperationalError("session is read-only")
    told = explained([refused, standby, refused])
    assert told.word == "read-only"
    assert str(told) == "Connection refused; session is read-only"


def test_values_of_a_row_are_json_like() -> None:
    some = uuid.uuid4()
    row = (
        decimal.Decimal("1.50"),
        decimal.Decimal(10**25),
        datetime.date(2026, 1, 2),
        (1, [b"\x01"]),
        {1: None},
        some,
        datetime.timedelta(1),
    )
    assert [plain(v) for v in row] == [1.5, 10**25, "2026-01-02", [1, ["01"]], {"1": None}, str(some), "1 day, 0:00:00"]
    assert math.isnan(plain(decimal.Decimal("NaN")))
    assert math.isinf(plain(decimal.Decimal("Infinity")))


# -- aiming


def aim(*named: tuple[str, str], name: str = "web") -> ProbeRequest:
    found = {n: Endpoint(name=n, scheme=scheme, host="127.0.0.1", port=p) for p, (n, scheme) in enumerate(named, 1)}
    reach = Reach(name=name, service=name, kind="", endpoints=found)
    return ProbeRequest(what="", arguments={}, reach=reach, headers={}, timeout_ns=1, around=None)


def ports(found: list[Endpoint] | Observation) -> list[int]:
    assert isinstance(found, list)
    return [e.port for e in found]


def test_addresses_of_the_right_scheme_come_first_and_a_name_picks_among_ports() -> None:
    request = aim(("admin", "tcp"), ("http", "http"), ("admin#2", "tcp"), ("http#2", "http"))
    assert ports(endpoints(request, ("http", "https"))) == [2, 4]
    assert ports(endpoints(request, ("http", "https"), "admin")) == [1, 3]
    assert ports(endpoints(request, ("redis",))) == [1]


def test_without_an_address_it_says_whose_doing_that_is() -> None:
    nothing, nowhere = endpoints(aim(), ("http",)), endpoints(aim(name=""), ("http",))
    unknown = endpoints(aim(("http", "http")), ("http",), "metrics")
    assert [type(o) for o in (nothing, nowhere, unknown)] == [Observation] * 3
    assert [(o.seen.value, o.error) for o in (nothing, nowhere, unknown) if isinstance(o, Observation)] == [
        ("target-error", "absent"),
        ("probe-error", "spec"),
        ("probe-error", "spec"),
    ]
    assert isinstance(unknown, Observation)
    assert "endpoints: http" in unknown.message


def test_the_instance_that_answered_for_its_service_is_named() -> None:
    request = aim(("http", "http"))
    endpoint = request.reach.endpoints["http"]
    instance = Instance(
        name="web#1", service="web", ordinal=1, state=InstanceState.RUNNING, ready=True, endpoints={"http": endpoint},
        identity="x", restarts=0, since_ns=0,
    )  # fmt: skip
    known = ProbeRequest(
        what="", arguments={}, reach=request.reach, headers={}, timeout_ns=1, around=None, instances=[instance]
    )
    assert located(value({}), known, endpoint).at == "web#1"
    assert located(value({}), request, endpoint).at == ""
