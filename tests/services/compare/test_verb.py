"""The verb `compare` in a trial: services of the stack, evidence in the report, hosts that are not allowed, stores that are down."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from probe_support import endpoint, misfits, observe, request

from seatrial.api.vocabulary import vocabulary
from seatrial.compare.layout import SHOWN
from seatrial.core.errors import UsageError
from seatrial.core.observations import Reach, Seen
from seatrial.core.plan import ProbeCall
from seatrial.core.redaction import Redactor
from seatrial.engine.probing import Prober
from seatrial.spec import compile_spec

pytestmark = pytest.mark.stack
SPEC = """\
seatrial: 1
name: moving
stack:
  services:
    monolith: {kind: postgres}
    listings: {kind: postgres}
requirements: {SV-41: listings are equal, SV-42: images have listings}
defaults: {timeout: 20s}
setup:
  - {sql: "create table listings (id int primary key, title text, price numeric, updated timestamptz)", at: monolith, save: {a: count}}
  - {sql: "create table items (id int primary key, title text, price numeric, updated timestamptz)", at: listings, save: {b: count}}
  - {sql: "create table images (id int primary key, listing int)", at: listings, save: {c: count}}
  - {sql: "insert into listings select i, 'ring ' || i, i / 4.0, now() from generate_series(1, 500) i", at: monolith, save: {d: count}}
  - {sql: "insert into images values (1, 1), (2, 600)", at: listings, save: {e: count}}
scenarios:
  before:
    covers: [SV-41]
    steps:
      - {compare: listings, at: monolith, with: {at: listings, of: items}, expected: {missing: all}, id: nothing-yet}
  after:
    needs: [before]
    steps:
      - {sql: "insert into items select i, 'ring ' || i, case when i = 77 then 1 else i / 4.0 end, now() from generate_series(1, 500) i",
         at: listings, save: {f: count}}
      - {compare: listings, at: monolith, with: {at: listings, of: items}, tolerances: {price: 100, updated: 1m}, covers: [SV-41], id: near}
      - {compare: select id from listings, at: monolith, with: {at: listings, of: select id from items}, key: id, id: by-query}
      - {compare: images, at: listings, with: {at: listings, of: items}, key: listing, map: {listing: id}, references: true,
         covers: [SV-42], severity: informational, id: images}
      - {compare: listings, at: monolith, with: {at: listings, of: items}, ignore: [updated], covers: [SV-41], within: 1s, id: equal}
"""


def test_a_trial_compares_services_and_shows_the_rows(tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC)
    done = subprocess.run(
        [sys.executable, "-m", "seatrial", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    findings = {f["id"]: f for f in report["findings"]}
    verdicts = {i: f["verdict"] for i, f in findings.items() if f["scenario"] in ("before", "after")}
    assert verdicts == {
        "before/nothing-yet": "PASS", "after/near": "PASS", "after/by-query": "PASS", "after/images": "FAIL", "after/equal": "FAIL"
    }, done.stdout + done.stderr  # fmt: skip
    assert done.returncode == 1
    equal = findings["after/equal"]
    assert "1 different (price)" in equal["measured"]
    text = json.dumps(equal["evidence"])
    assert '"77"' in text
    assert '"19.25"' in text
    assert "600" in json.dumps(findings["after/images"]["evidence"])
    assert "password" not in text


async def compared(shop, what: str, *, reach: bool = True, timeout_s: float = 20, **arguments: object):
    """One attempt at the database of these tests, beside a table of its own."""
    places = (next(iter(shop.instance.endpoints.values())),) if reach else ()
    made = request(what, *places, knows=shop.parameters, timeout_s=timeout_s, **arguments)
    other = arguments.get("with")
    if isinstance(other, dict):
        assert isinstance(made.arguments, dict)
        made.arguments["with"] = {
            **other,
            "at": Reach(name="db", service="db", kind="", endpoints=made.reach.endpoints, parameters=shop.parameters),
        }
    return await observe("compare", made)


async def test_what_it_observes_is_what_its_descriptor_says(database) -> None:
    database.table("one", "id int primary key, v text", "(1, 'x')", "(2, 'y')", "(3, 'z')")
    database.table("two", "id int primary key, v text", "(1, 'x')", "(2, 'Y')", "(4, 'z')")
    seen = await compared(database, "one", **{"with": {"of": "two"}})
    assert seen.seen is Seen.VALUE, seen.message
    assert misfits("compare", seen) == []
    assert {n: seen.values[n] for n in ("rows", "equal", "missing", "extra", "different", "orphans", "columns")} == {
        "rows": 3, "equal": 1, "missing": 1, "extra": 1, "different": 1, "orphans": 0, "columns": {"v": 1}
    }  # fmt: skip
    assert seen.values["difference"] == "1 missing, 1 extra, 1 different (v)"
    assert seen.record["differences"] == seen.values["differences"]
    assert "3 rows" in seen.message


async def test_evidence_is_bounded_in_rows_and_in_length(database) -> None:
    database.table("one", "id int primary key, v text")
    database.table("two", "id int primary key, v text")
    database.run("insert into one select i, repeat('x', 10000) from generate_series(1, 5000) i")
    seen = await compared(database, "one", **{"with": {"of": "two"}})
    assert len(seen.values["differences"]) == SHOWN
    assert len(json.dumps(seen.record)) < 20_000
    assert seen.values["missing"] == 5000


async def test_what_is_not_done_in_time_is_nobodys_difference(database) -> None:
    slow = "select i as id, pg_sleep(0.1)::text as v from generate_series(1, 1000) i"
    seen = await compared(database, slow, key=["id"], timeout_s=0.6, **{"with": {"of": slow}})
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "timeout")
    assert "timeout: 5m" in seen.message


async def test_a_cancelled_attempt_ends_its_queries(database) -> None:
    slow = "select i as id, pg_sleep(0.1)::text as v from generate_series(1, 1000) i"
    before = await asyncio.to_thread(_sessions, database)
    attempt = asyncio.create_task(compared(database, slow, key=["id"], **{"with": {"of": slow}}))
    async with asyncio.timeout(30):
        while await asyncio.to_thread(_sessions, database) < before + 2:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.05)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    async with asyncio.timeout(5):
        while await asyncio.to_thread(_sessions, database) > before:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.05)


def _sessions(database) -> int:
    """Other sessions of its database: who is no superuser sees that they are there, and not what they do."""
    import psycopg

    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return int(found.fetchone()[0])


@pytest.mark.parametrize(
    ("what", "other", "error"),
    [
        ("nothing", {"of": "one"}, "absent"),
        ("one", "postgres://127.0.0.1:1/x#table=one", "refused"),
        ("one", "none.csv", "absent"),
        ("one", "opensearch://127.0.0.1:1/one", "refused"),
        ("one", {"of": "select 1 as nr"}, "spec"),
        ("one", "one", "spec"),
    ],
)
async def test_a_store_that_cannot_be_read_is_never_equal(database, what: str, other: object, error: str) -> None:
    database.table("one", "id int primary key")
    seen = await compared(database, what, **{"with": other})
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, error), seen.message


async def test_another_database_than_the_services_own(database) -> None:
    where = "select 1 as id, current_database()::text as v"
    seen = await compared(database, where, key=["id"], database="postgres", **{"with": {"of": where}})
    assert seen.values["difference"] == "1 different (v)"
    assert seen.values["differences"][0]["values"]["v"] == {"a": "postgres", "b": "shop", "kind": "text"}
    both = {"with": {"of": where, "database": "postgres"}}
    seen = await compared(database, where, key=["id"], database="postgres", **both)
    assert seen.values["difference"] == "none"
    seen = await compared(database, database.table("one", "id int"), database="postgres", **{"with": "a.csv"})
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "spec")
    assert "an address names its own" in seen.message
    assert database.parameters["password"] not in seen.message


async def test_without_a_service_a_table_is_nobodys(database) -> None:
    seen = await compared(database, "one", reach=False, **{"with": "a.csv"})
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "spec")


# -- hosts


def compiled(tmp_path: Path, step: str, allow: str = "") -> None:
    (tmp_path / "s.yaml").write_text(
        f"seatrial: 1\nvalues: {{place: x}}\nstack: {{services: {{db: {{kind: postgres}}}}{allow}}}\n"
        f"scenarios: {{s: {{steps: [{step}]}}}}\n"
    )
    compile_spec(tmp_path / "s.yaml", vocabulary(), environment={})


@pytest.mark.parametrize(
    "step",
    [
        '{compare: one, at: db, with: "postgres://u:p@prod.example/db#table=one"}',
        '{compare: one, at: db, with: "http://prod.example/items"}',
        '{compare: "opensearch://prod.example:9200/one", with: a.csv}',
        '{compare: one, at: db, with: "postgres://127.0.0.1,prod.example/db#table=one"}',
        '{compare: one, at: db, with: "postgres://127.0.0.1/db?hostaddr=prod.example#table=one"}',
        '{compare: one, at: db, with: {at: db, of: "http://prod.example/items"}}',
    ],
)
def test_a_host_that_is_not_allowed_is_refused_when_it_is_written(tmp_path: Path, step: str) -> None:
    with pytest.raises(UsageError, match=r"prod.example is not loopback, and not allowed"):
        compiled(tmp_path, step)
    compiled(tmp_path, step, ", allow: [prod.example]")


def test_addresses_that_are_no_stores_are_refused_when_they_are_written(tmp_path: Path) -> None:
    for step, said in (
        ('{compare: one, at: db, with: "postgres://127.0.0.1/db"}', "which table"),
        ('{compare: "a.csv#sep=;", with: b.csv}', "sep after # means nothing"),
        ("{compare: one, at: db}", 'needs "with"'),
        ("{compare: one, at: db, with: {at: dbb}}", 'unknown service "dbb"'),
    ):
        with pytest.raises(UsageError, match=said):
            compiled(tmp_path, step)
    compiled(tmp_path, '{compare: one, at: db, with: "postgres://127.0.0.1/{{ place }}#table=one"}')
    compiled(tmp_path, '{compare: one, at: db, with: "sqlite:///shop.db#table=one", key: id}')


async def test_a_host_that_is_not_allowed_is_not_asked_when_it_comes_out_of_a_value() -> None:
    prober = Prober(vocabulary(), lambda name: {}[name], Redactor())
    prober.allow = ("allowed.example",)
    call = ProbeCall(verb="compare", what="a.csv", arguments={"with": "http://prod.example/items"})
    seen = await prober.call(call, {})
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "not-exercised")
    assert "prod.example is not loopback" in seen.message


def test_two_endpoints_are_one_service(database) -> None:
    from seatrial.compare.probe import _store

    reach = Reach(
        name="db", service="db", kind="", endpoints={"a": endpoint("postgres", 1), "b": endpoint("postgres", 2)},
        parameters={"user": "u@x", "password": "p:/w", "dbname": "d"},
    )  # fmt: skip
    store = _store("public.one", reach, None)
    assert store.url == "postgres://u%40x:p%3A%2Fw@127.0.0.1:1,127.0.0.1:2/d?target_session_attrs=read-write"
    assert store.label == "postgres://127.0.0.1:1,127.0.0.1:2/d#public.one"
