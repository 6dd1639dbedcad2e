"""Workloads over other protocols than http, with the verbs as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.errors import UsageError
from seatrial.core.plan import WorkloadPlan
from seatrial.spec import compile_spec

SPEC = """\
seatrial: 1
stack: {services: {db: {kind: postgres}, redis: {kind: redis}}}
workloads:
  one: %s
throughout: [one]
scenarios:
  up: {steps: [{sql: select 1, at: db, expect: count == 1}]}
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], WorkloadPlan]:
    def compiled(text: str) -> WorkloadPlan:
        path = tmp_path / "seatrial.yaml"
        path.write_text(SPEC % text)
        return compile_spec(path, vocabulary(), environment={}).workloads["one"]

    return compiled


def test_a_statement_has_parameters_and_is_read_back_by_rows(compiled: Callable[[str], WorkloadPlan]) -> None:
    plan = compiled(
        """{sql: "insert into ledger values (%s, %s)", parameters: ["{{ op.id }}", 7], database: shop, at: db, rate: 50/s, model: set,
        retries: 2, resend: 1%, read-back: {sql: select id from ledger, at: db, keys: "rows[*][0]"}}"""
    )
    assert plan.call.verb == "sql"
    assert plan.call.arguments["database"] == "shop"
    assert plan.read_back is not None
    assert plan.read_back.path.value({"rows": [["a"], ["b"]]}) == ["a", "b"]
    assert plan.accept == ()


def test_a_command_may_add_to_a_counter(compiled: Callable[[str], WorkloadPlan]) -> None:
    plan = compiled(
        """{redis: INCRBY n 2, database: 1, at: redis, rate: 50/s, model: counter, amount: -2,
        initial: {redis: GET n, at: redis/master, value: reply}, read-back: {redis: GET n, at: redis/master, value: reply}}"""
    )
    assert plan.model_arguments == {"amount": -2}
    assert plan.call.arguments == {"database": 1}


def test_what_is_read_back_may_lag_behind(compiled: Callable[[str], WorkloadPlan]) -> None:
    plan = compiled(
        """{sql: "insert into t values (%s)", parameters: ["{{ op.id }}"], at: db, rate: 1/s, model: set,
        read-back: {sql: select id from t, at: db, keys: "rows[*][0]", lag: 2s}}"""
    )
    assert plan.read_back is not None
    assert plan.read_back.lag_ns == 2_000_000_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            """{redis: INCR n, at: redis, rate: 1/s, model: counter, initial: {redis: GET n, at: redis, value: reply, lag: 1s},
            read-back: {redis: GET n, at: redis, value: reply}}""",
            'unknown key "lag"',
        ),
        ('{redis: "SET greeting \'hello", at: redis, rate: 1/s}', "4:17: no closing quotation"),
        ("{redis: '', at: redis, rate: 1/s}", "4:17: no command is given"),
        ("{sql: select 1, read-only: true, at: db, rate: 1/s}", '4:24: unknown key "read-only" in a workload'),
        ("{redis: PING, parameters: [1], at: redis, rate: 1/s}", '4:22: unknown key "parameters" in a workload'),
        ("{redis: PING, database: -1, at: redis, rate: 1/s}", "4:32:"),
        ("{dns: localhost, at: db, rate: 1/s}", "4:9: a workload cannot use dns"),
        ("{celery: ping, at: redis, rate: 1/s}", "4:9: a workload cannot use celery"),
    ],
)
def test_what_a_protocol_has_not_is_refused_at_its_place(
    compiled: Callable[[str], WorkloadPlan], text: str, problem: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compiled(text)
    (found,) = caught.value.problems
    assert problem in str(found)
