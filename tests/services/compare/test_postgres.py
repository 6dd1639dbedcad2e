"""PostgreSQL: its own canonical texts are ours, its hashes too; each difference is found by value, wherever rows are hashed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from compare_support import Memory, counts, oracle, stores

from seatrial.compare.comparing import compare, prepare
from seatrial.compare.layout import Options
from seatrial.compare.opening import open_source
from seatrial.compare.results import SourceError
from seatrial.compare.running import Task, nobody, run
from seatrial.compare.tables import Stop, StreamTable
from seatrial.core.stores import read_store

pytestmark = pytest.mark.stack
BY_ID = Options(keys=("id",))
ODD = {
    "int2": "('-32768'), ('0'), (null)",
    "int8": "('-9223372036854775808'), ('9223372036854775807'), (null)",
    "numeric": "('1.50'), ('-0.00'), ('100'), ('12345678901234567890123456789012345.0001'), ('0.000000001'), ('NaN'), ('Infinity'), (null)",
    "float8": "('1e300'), ('1e-300'), ('0.1'), ('-0'), ('100000'), ('123456789012345680'), ('NaN'), ('-Infinity'), (null)",
    "float4": "('0.1'), ('16777216'), ('1e-10'), ('3.4e38')",
    "bool": "(true), (false), (null)",
    "text": "(''), ('a|b'), ('~|'), ('é'), (U&'e\\0301'), (E'\\t\\n\\\\'), ('☃𝄞'), (repeat('x', 5000)), (repeat('xyz', 30000)), (null)",
    "varchar": "('a'), (null)",
    "char(5)": "('ab'), (null)",
    "timestamp": "('2024-03-01 12:00:00'), ('2024-03-01 12:00:00.1'), ('2024-03-01 12:00:00.000001'), ('0900-01-01 00:00:00'), (null)",
    "timestamptz": "('2024-03-01 12:00:00+05:30'), ('1900-01-01 00:00:00.5Z'), (null)",
    "date": "('2024-02-29'), ('0001-01-01'), (null)",
    "time": "('10:00:00'), ('10:00:00.5'), (null)",
    "bytea": "('\\x'), ('\\x00ff'), (null)",
    "uuid": "('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), (null)",
    "jsonb": '(\'{"bb": [1, 2.5], "a": {"é": null}}\'), (\'"x\\"y"\'), (\'[]\'), (\'1\'), (null)',
    "json": '(\'{"b":1,  "a":2}\'), (null)',
    "int[]": "('{1,2,null}'), ('{}'), (null)",
}


@pytest.fixture
def typed(database):
    """Rows of a query as Arrow has them, types and all."""

    def read(sql: str) -> pa.Table:
        with adbc.connect(database.url) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    return read


@pytest.mark.parametrize("type_", ODD)
def test_the_servers_hashes_are_ours(database, typed, type_: str) -> None:
    store = database.table("odd", f"id serial, v {type_}")
    database.run(f"insert into odd(v) values {ODD[type_]}")
    plain = type_ in ("uuid", "json", "jsonb", "char(5)")  # Arrow has them as text, as bytes, or with blanks
    ours = Memory(typed(f"select id, {'v::text as v' if plain else 'v'} from odd"))
    source = open_source(read_store(store), Stop(), {}, None)
    try:
        both = prepare(source, ours, BY_ID, Stop(), nobody)
        assert isinstance(both.tables[1], StreamTable)
        roots = both.roots()
        assert roots[0].sums == roots[1].sums
        assert compare(both, BY_ID, Stop()).words == "none"
        keys = list(range(1, 20))
        assert set(both.tables[0].rows(keys)) == set(both.tables[1].rows(keys))
    finally:
        source.close()


@pytest.mark.parametrize("type_", ODD)
@pytest.mark.parametrize("other", ["", "numeric"])
def test_two_tables_of_one_type_are_equal_and_one_changed_row_is_found(database, type_: str, other: str) -> None:
    """By the servers' own types; and where the key is another type in one of them, by canonical texts."""
    a = database.table("one", f"id int primary key, v {type_}")
    b = database.table("two", f"id {other or 'int'} primary key, v {type_}")
    database.run(
        f"insert into one select row_number() over () - 1, v::{type_} from (values {ODD[type_]}) odd(v)",
        "insert into two select * from one",
    )
    assert stores(a, b, Options()).words == "none"
    database.run("update two set v = null where id = 0")
    found = stores(a, b, Options())
    assert counts(found) == (found.a.rows - 1, 0, 0, 1)
    assert found.first[0].cells[0].kind == "null"
    assert (
        "canonical" in found.how if other or type_ in ("char(5)", "time", "json", "int[]") else "own types" in found.how
    )


def test_each_kind_of_difference_by_ranges_and_by_folds(database) -> None:
    for keys, how in (("generate_series(1, 5000)", "dense"), ("generate_series(1, 500000000, 100000)", "sparse")):
        a = database.table("one", "id bigint primary key, n numeric, s text")
        b = database.table("two", "id bigint primary key, n numeric, s text")
        database.run(f"insert into one select i, i / 7.0, 's' || i from {keys} i", "insert into two select * from one")
        assert stores(a, b, Options()).words == "none", how
        database.run(
            "delete from two where id = (select id from two order by id offset 10 limit 1)",
            "insert into two values (-5, 1, 'new'), (9000000000, 1, 'new')",
            "update two set n = n + 1, s = null where id = (select id from two order by id offset 100 limit 1)",
        )
        found = stores(a, b, Options())
        assert counts(found) == (4998, 1, 2, 1), how
        assert {c.column: dict(c.kinds) for c in found.by_column} == {"n": {"number": 1}, "s": {"null": 1}}


def test_blocks_are_the_same_whether_an_index_or_one_pass_gives_their_sums(database, monkeypatch) -> None:
    """A table in the order of its key is read by that; the other one's rows lie anywhere, and some of its blocks are empty."""
    a = database.table("one", "id bigint primary key, n numeric, s text")
    b = database.table("two", "id bigint primary key, n numeric, s text")
    database.run(
        "insert into one select i, nullif(i % 7, 0), 's' || i from generate_series(-3000, 20000) i where i not between 5000 and 6000",
        "insert into two select * from one order by md5(s)",
        "analyze one, two",
    )
    sources = [open_source(read_store(store), Stop(), {}, None) for store in (a, b)]
    try:
        both = prepare(*sources, Options(), Stop(), nobody)
        asked: list[str] = []
        for source in sources:
            read = source._session.read
            monkeypatch.setattr(source._session, "read", lambda sql, read=read: asked.append(sql) or read(sql))
        assert compare(both, Options(), Stop()).words == "none"
        assert [("generate_series" in sql) for sql in asked if "sum(" in sql].count(True) == 1
    finally:
        for source in sources:
            source.close()
    database.run(
        "delete from two where id in (-3000, 20000, 7)",
        "insert into two values (-9000, 1, 'new'), (5500, 1, 'new'), (30000, 1, 'new')",
        "update two set n = 100 where id in (0, 255, 256, 19999)",
    )
    for first, second, wanted in ((a, b, (21993, 3, 3, 4)), (b, a, (21993, 3, 3, 4))):
        found = stores(first, second, Options())
        assert counts(found) == wanted
        assert {d.key["id"] for d in found.first if d.kind == "different"} == {"0", "255", "256", "19999"}


def test_random_changes_are_found_exactly_by_whole_keys_that_are_no_primary_ones(database) -> None:
    """NULL among the keys, doubled ones, and the least and greatest there are."""
    chance = random.Random(3)
    keys = [None, -(1 << 63), (1 << 63) - 1, *range(-40, 400)]

    def rows() -> list[tuple[int | None, int]]:
        return [(k, 1 if chance.random() < 0.9 else 2) for k in keys for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]

    def written(side: list[tuple[int | None, int]]) -> list[str]:
        return [f"(null, {v})" if k is None else f"('{k}', {v})" for k, v in side]

    for _ in range(3):
        one, two = rows(), rows()
        a = database.table("one", "id bigint, v int", *written(one))
        b = database.table("two", "id bigint, v int", *written(two))
        assert counts(stores(a, b, BY_ID)) == oracle(one, two)


def test_a_domain_is_what_it_is_made_of(database) -> None:
    database.run("drop domain if exists price", "drop domain if exists money2")
    database.run("create domain money2 as numeric(10, 2)", "create domain price as money2 check (value >= 0)")
    a = database.table("one", "id int primary key, v price", "(1, 1.50)", "(2, null)")
    b = database.table("two", "id int primary key, v numeric", "(1, 1.5)", "(2, 3)")
    found = stores(a, b, Options())
    assert counts(found) == (1, 0, 0, 1)
    assert "own types" in found.how
    database.run("drop table one, two", "drop domain price", "drop domain money2")


def test_keys_that_are_text_null_doubled_or_several_columns(database) -> None:
    a = database.table(
        "one",
        "k text, l int, v int",
        "('x', 1, 1)",
        "('x', 1, 1)",
        "(null, 1, 5)",
        "('a''b\\\"{,}', 2, 2)",
        "('é', 3, 3)",
    )
    b = database.table(
        "two", "k text, l int, v int", "('x', 1, 1)", "(null, 1, 6)", "('a''b\\\"{,}', 2, 9)", "('e', 3, 3)"
    )
    found = stores(a, b, Options(keys=("k",)))
    assert counts(found) == (1, 3, 2, 1)
    assert (found.a.duplicates, found.a.null_keys, found.b.null_keys) == (1, 1, 1)
    assert counts(stores(a, b, Options(keys=("k", "l")))) == (1, 2, 1, 2)


def test_tolerances_and_filters(database) -> None:
    a = database.table("one", "id int primary key, at timestamptz, f float8, live bool")
    b = database.table("two", "id int primary key, at timestamp, f numeric, live bool")
    database.run(
        "insert into one select i, timestamptz '2024-01-01 00:00Z' + i * interval '1.3 s', i / 10.0, i % 2 = 0 "
        "from generate_series(-500, 500) i",
        "insert into two select id, at at time zone 'UTC' + interval '0.4 s', f::text::numeric + 0.005, live from one",
        "update two set at = at + interval '0.7 s' where id = 6",
        "update two set f = f - 1 where id = 7",
    )
    near = Options(tolerances={"at": "1s", "f": "0.01"})
    found = stores(a, b, near)
    assert [(d.key["id"], d.cells[0].column, d.cells[0].by) for d in found.first] == [
        ("6", "at", "+1.1s"),
        ("7", "f", "-0.995"),
    ]
    task = Task(stores=(read_store(a, "live and id <> 6"), read_store(b, "live and id <> 6")), options=near)
    assert run(task, Stop()).words == "none"
    assert stores(a, b, Options()).different == 1001


def test_a_query_is_a_table_too(database) -> None:
    a = database.table("one", "id int primary key, v text", "(1, 'x')", "(2, 'y')")
    b = f"{database.url}#query=select 2 as id, 'y' as v union all select 1, 'x';"
    assert stores(a, b, BY_ID).words == "none"


def test_texts_are_read_as_what_stands_beside_them(database) -> None:
    a = database.table("one", "id text, n text, at text", "('1', '1.50', '2024-01-01T00:00:00Z')", "('2', 'x', null)")
    b = database.table(
        "two", "id int primary key, n numeric, at timestamptz", "(1, 1.5, '2024-01-01 00:00Z')", "(2, 2, null)"
    )
    found = stores(a, b, BY_ID)
    assert counts(found) == (1, 0, 0, 1)
    assert found.first[0].cells[0].kind == "type"
    assert counts(stores(b, a, BY_ID)) == (1, 0, 0, 1)


def test_files_beside_a_table(database, typed, tmp_path) -> None:
    store = database.table("one", "id int primary key, n numeric(10, 2), s text, at timestamptz, ok bool")
    database.run(
        "insert into one select i, i / 4.0, case when i % 3 = 0 then null when i % 3 = 1 then '' else 'a|' || i end, "
        "timestamptz '2024-01-01 00:00Z' + i * interval '0.25 s', i % 2 = 0 from generate_series(1, 1000) i"
    )
    rows = typed("select id, n::float8 as n, s, at, ok from one")
    pyarrow.parquet.write_table(rows, tmp_path / "a.parquet")
    pyarrow.csv.write_csv(rows, tmp_path / "a.csv")
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    for name in ("a.parquet", "a.csv", "a.arrow"):
        assert stores(store, name, BY_ID, tmp_path).words == "none", name
        assert stores(name, store, Options(), tmp_path).words == "none", name
    assert stores("a.csv", "a.parquet", BY_ID, tmp_path).words == "none"
    database.run("update one set n = n + 0.25 where id = 700", "delete from one where id = 3")
    for name in ("a.parquet", "a.csv", "a.arrow"):
        found = stores(store, name, BY_ID, tmp_path)
        assert counts(found) == (998, 0, 1, 1), name
        assert [c.by for d in found.first for c in d.cells] == ["-0.25"], name


def test_references_between_tables(database) -> None:
    images = database.table(
        "images", "id int primary key, listing_id int", "(1, 10)", "(2, 10)", "(3, 11)", "(4, null)", "(5, 11)"
    )
    listings = database.table("listings", "id bigint primary key", "(10)", "(12)")
    options = Options(keys=("listing_id",), mapping={"listing_id": "id"}, references=True)
    found = stores(images, listings, options)
    assert (found.orphans, found.equal, found.a.null_keys) == (2, 2, 1)
    assert [(d.key["listing_id"], d.copies) for d in found.first] == [("11", 2)]


def test_a_comparison_sees_one_state_of_each_store(database) -> None:
    store = database.table("one", "id int primary key, v int", "(1, 1)")
    source = open_source(read_store(store), Stop(), {}, None)
    other = open_source(read_store(store), Stop(), {}, None)
    try:
        both = prepare(source, other, BY_ID, Stop(), nobody)
        before = both.roots()
        database.run("update one set v = 2", "insert into one values (2, 2)")
        assert both.roots() == before
        assert source.taken.startswith("20")
    finally:
        source.close()
        other.close()


def test_rows_are_streamed_of_the_same_state(database) -> None:
    """Texts beside numbers are read here, over a second connection."""
    text = database.table("one", "id text, v text", "('1', '1.0')", "('2', null)")
    number = database.table("two", "id int, v numeric", "(1, 1)", "(2, null)")
    spaced = text.replace("#", "?options=-c%20lock_timeout%3D5s#")
    sources = [open_source(read_store(store), Stop(), {}, None) for store in (spaced, number)]
    try:
        both = prepare(*sources, BY_ID, Stop(), nobody)
        database.run("update one set v = '7'", "delete from two", "insert into one values ('3', 'x')")
        assert isinstance(both.tables[0], StreamTable)
        assert both.roots()[0].rows == 2
        assert compare(both, BY_ID, Stop()).words == "none"
    finally:
        for source in sources:
            source.close()
    assert counts(stores(text, number, BY_ID)) == (0, 3, 0, 0)


def test_within_waits_until_both_are_equal(database) -> None:
    a = database.table("one", "id int primary key, v int", "(1, 1)", "(2, 2)")
    b = database.table("two", "id int primary key, v int", "(1, 1)")
    later = threading.Timer(1.2, database.run, ["insert into two values (2, 2)"])
    later.start()
    began = time.monotonic()
    found = stores(a, b, Options(), within_ns=20_000_000_000)
    later.join()
    assert found.holds
    assert found.attempts > 1
    assert 1 < time.monotonic() - began < 10
    database.run("delete from two where id = 1")
    assert counts(stores(a, b, Options(), within_ns=1_000_000_000)) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda url: f"{url}#table=nothing", "absent"),
        (lambda url: f"{url}#query=selec 1", "statement"),
        (lambda url: f"{url.rpartition('/')[0]}/nothing#table=one", "absent"),
        (lambda url: f"{url.replace('app:', 'app:no')}#table=one", "credentials"),
        (lambda url: "postgres://u:secretpw@127.0.0.1:1/x#table=one", "refused"),
    ],
)
def test_a_store_that_cannot_be_read_is_said_and_never_equal(database, change, word: str) -> None:
    a = database.table("one", "id int primary key")
    with pytest.raises(SourceError) as raised:
        stores(a, change(database.url), Options())
    assert raised.value.word == word
    assert "secretpw" not in raised.value.message
    assert "seatrial_block" not in raised.value.message


def test_a_comparison_that_is_stopped_ends_at_once(database) -> None:
    slow = f"{database.url}#query=select i as id, pg_sleep(0.05)::text as v from generate_series(1, 10000) i"
    stop = Stop()
    threading.Timer(0.7, stop.set).start()
    began = time.monotonic()
    with pytest.raises(SourceError, match="time was over"):
        run(Task(stores=(read_store(slow), read_store(slow)), options=BY_ID), stop)
    assert time.monotonic() - began < 5


def test_a_server_that_does_not_even_cancel_is_not_waited_for(database) -> None:
    slow = f"{database.url}#query=select i as id, pg_sleep(0.07)::text as v from generate_series(1, 10000) i"
    stop, pids = Stop(), list[int]()

    def hold() -> None:
        while not pids:
            pids.extend(_asking(database, "%pg_sleep(0.07)%"))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        stop.set()

    holding = threading.Thread(target=hold)
    holding.start()
    began = time.monotonic()
    try:
        with pytest.raises(SourceError, match="time was over"):
            run(Task(stores=(read_store(slow), read_store(slow)), options=BY_ID), stop)
        assert time.monotonic() - began < 10
    finally:
        holding.join()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _asking(database, pattern: str) -> list[int]:
    import psycopg

    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "select pid from pg_stat_activity where query like %s and state = 'active' and pid <> pg_backend_pid()",
            [pattern],
        )
        return [pid for (pid,) in found]
