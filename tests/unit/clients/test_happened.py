"""Whether an operation that failed may have changed something: the table of each client."""

from __future__ import annotations

import pytest

from seatrial.clients import redis, sql
from seatrial.clients.addresses import endpoints_of

INSERT = "insert into ledger(id) values ('x')"


@pytest.mark.parametrize(
    ("sqlstate", "severity"),
    [
        ("23505", "ERROR"),  # unique_violation
        ("23503", "ERROR"),
        ("42601", "ERROR"),  # syntax
        ("42P01", "ERROR"),
        ("25006", "ERROR"),  # read_only_sql_transaction
        ("22012", "ERROR"),
        ("40001", "ERROR"),  # serialization_failure: rolled back, at COMMIT too
        ("40P01", "ERROR"),
        ("53100", "ERROR"),
        ("57014", "ERROR"),  # query_canceled: before it was committed
        ("XX000", "ERROR"),
    ],
)
def test_an_error_of_the_statement_says_that_nothing_was_done(sqlstate: str, severity: str) -> None:
    assert sql.happened(sqlstate, severity, INSERT) is False


@pytest.mark.parametrize(
    ("sqlstate", "severity"),
    [
        ("", ""),  # the connection was lost: libpq has no state for that
        ("57P01", "FATAL"),  # admin_shutdown: after the commit it is said as well
        ("57P02", "FATAL"),  # crash_shutdown
        ("57P03", "FATAL"),
        ("57P05", "FATAL"),
        ("57P01", "ERROR"),  # as poolers say it
        ("08006", "ERROR"),
        ("08007", "ERROR"),  # transaction_resolution_unknown
        ("08P01", "FATAL"),
        ("40003", "ERROR"),  # statement_completion_unknown
        ("XX001", "PANIC"),
        ("23505", ""),
    ],
)
def test_what_ends_the_session_leaves_the_statement_unknown(sqlstate: str, severity: str) -> None:
    assert sql.happened(sqlstate, severity, INSERT) is None


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("insert into a values (1); select 1/0", False),  # one transaction, all of it
        ("begin; insert into a values (1); commit; select 1/0", None),
        ("BEGIN; insert into a values (1); END ; select 1/0", None),
        ("insert into a values (1); -- and now\n  commit; select 1/0", None),
        ("insert into a values (1); /* now */ commit; select 1/0", None),
        ("call pay(1)", None),
        ("do $$ begin commit; end $$", None),
        ("  prepare transaction 'x'", None),
        ("insert into a values (1) on conflict do nothing", False),
        ("update a set n = case when n > 0 then n - 1 else 0 end", False),
        ("insert into a values ('commit')", False),
    ],
)
def test_a_text_that_commits_on_its_way_is_unknown_when_it_fails(statement: str, changed: bool | None) -> None:
    assert sql.happened("22012", "ERROR", statement) is changed


@pytest.mark.parametrize(
    ("command", "changed"), [("LPUSH", False), ("incr", False), ("EVAL", None), ("evalsha", None), ("FCALL", None)]
)
def test_an_error_reply_of_redis_says_that_nothing_was_done_but_of_a_script(command: str, changed: bool | None) -> None:
    assert redis.happened(command) is changed


def test_of_several_ports_of_a_service_those_that_speak_the_protocol_are_used() -> None:
    urls = ["postgres://127.0.0.1:5433", "http://127.0.0.1:8008", "postgresql://[::1]"]
    assert [(e.host, e.port) for e in endpoints_of(urls, ("postgres", "postgresql"), 5432)] == [
        ("127.0.0.1", 5433),
        ("::1", 5432),
    ]
    assert [e.port for e in endpoints_of(["tcp://db:7000", "http://db:80"], ("redis",), 6379)] == [7000]
    with pytest.raises(ValueError, match="no address"):
        endpoints_of([], ("redis",), 6379)
