"""An expectation that any answer meets is found, and one that listens is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.answers import counts_alone, deaf_conditions, gives_one_row, put
from seatrial.core.expressions import compile_expression
from seatrial.core.expressions.syntax import EACH
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity

S = 1_000_000_000
SEEN: dict[str, object] = {
    "status": 200,
    "error": None,
    "took": Quantity(0.02 * S, Dimension.DURATION),
    "body": "ready",
    "count": 0,
    "counts": {"web#1": 4, "web#2": 6},
    "rows": [[3, "lamp"], [5, "sofa"]],
    "headers": {"x-served-by": "microservice"},
    "json": {
        "ok": True,
        "items": [{"id": "a", "price": 5}, {"id": "b", "price": 7}],
        "total": 2,
        "note": None,
        "name": "lamp",
        "stock": 4,
        "ratio": 0.5,
    },
}
OWN = {"before": 1, "name": "lamp", "limit": 10}


def deaf(text: str) -> list[str]:
    condition = compile_expression(text)
    values = {**OWN, **SEEN}
    assert condition.evaluate(values).truth is True, "it held to begin with"
    return [d.condition for d in deaf_conditions(condition, values, SEEN)]


@pytest.mark.parametrize(
    "text",
    [
        "len(rows) >= 0",
        "len(json.items) >= 0",
        "count >= 0",
        "status < 600",
        "status >= 100",
        'body matches ".*"',
        "json.ok == true or json.ok == false",
        "error == null or error != null",
        "len(body) >= 0",
        "json.name == json.name",
        "status in [200, 204, 301, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504]",
        "took >= 0s",
    ],
)
def test_what_any_answer_meets_is_deaf(text: str) -> None:
    assert deaf(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "status == 200",
        "status != 500",
        "status in [200, 201]",
        "error == null",
        "took < 200ms",
        'body == "ready"',
        'body matches "^rea"',
        "count == 0",
        "counts[\"web#1\"] >= 1",
        "len(rows) == 2",
        "len(rows) > 0",
        "rows[0][0] == 3",
        "rows[0][0] > before",
        "json.ok",
        "not (json.ok == false)",
        "json.name == name",
        "json.name != \"sofa\"",
        "json.note == null",
        "json.stock >= 0",
        "json.stock <= limit",
        "all(json.items[*].price > 0)",
        "any(json.items[*].id == \"b\")",
        "json.ratio < 0.9",
        "max(json.items[*].price) <= 7",
        'headers["x-served-by"] == "microservice"',
    ],
)  # fmt: skip
def test_what_listens_is_not(text: str) -> None:
    assert deaf(text) == []


def test_each_condition_that_is_joined_is_asked_by_itself() -> None:
    assert deaf("status == 200 and len(json.items) >= 0 and json.ok") == ["len(json.items) >= 0"]


def test_a_choice_is_asked_as_a_whole() -> None:
    assert deaf('json.name == "lamp" or json.name == "sofa"') == []


@pytest.mark.parametrize("text", ["len(rows) <= 100", "len(json.items) < 20", "len(body) < 300"])
def test_what_may_be_no_longer_than_that_can_be_longer(text: str) -> None:
    assert deaf(text) == []


def test_what_counts_cannot_be_negative() -> None:
    condition = compile_expression("rows[0][0] >= 0")
    values = {"rows": [[3]]}
    assert not deaf_conditions(condition, values, ["rows"])
    [found] = deaf_conditions(condition, values, ["rows"], ["rows"])
    assert "rows[0][0] = 0" in found.said
    assert str(found).startswith("rows[0][0] >= 0 holds whatever rows[0][0] says, for example ")


KEYS = st.lists(st.one_of(st.sampled_from("ab"), st.integers(0, 2), st.just(EACH)), max_size=4)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)


@given(VALUES, KEYS)
def test_what_is_put_somewhere_is_found_there_and_the_rest_stays(value: object, keys: list[str | int]) -> None:
    before = repr(value)
    changed = put(value, keys, "new")
    assert repr(value) == before
    places = [changed]
    for key in keys:
        inner = (
            [p.values() if isinstance(p, dict) else p for p in places] if key is EACH else [[p[key]] for p in places]
        )
        places = [v for found in inner for v in found]
    assert set(places) <= {"new"}


@given(st.integers(-5, 500), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-5, 500))
def test_a_number_held_against_a_bound_is_heard(value: int, operator: str, bound: int) -> None:
    condition = compile_expression(f"json.n {operator} {bound}")
    values = {"json": {"n": value}}
    if condition.evaluate(values).truth is True:
        assert not deaf_conditions(condition, values, ["json"])


@pytest.mark.parametrize(
    ("query", "one", "counts"),
    [
        ("select count(*) from orders", True, True),
        ("SELECT count(distinct id) AS n FROM orders where paid;", True, True),
        ("select count(*)", True, True),
        ("select count(*), balance from orders", True, False),
        ("select max(id) from orders", True, False),
        ("select count(*) from orders group by day", False, False),
        ("select count(*) from orders having count(*) > 3", False, False),
        ("select count(*) from orders; select id from orders", False, False),
        ("select count(*) over () from orders", False, False),
        ("select id from orders", False, False),
        ("with a as (select 1) select count(*) from a", False, False),
    ],
)
def test_queries_that_sum_up_give_one_row(query: str, one: bool, counts: bool) -> None:
    assert (gives_one_row(query), counts_alone(query)) == (one, counts)


FIGURES: dict[str, object] = {
    "load": {
        "p95": Quantity(0.02 * S, Dimension.DURATION),
        "errors": Interval(0.0, 0.01, Dimension.RATIO, point=0.0),
        "served": Quantity(1.0, Dimension.RATIO),
        "ok": 300,
        "failed": 0,
    },
    "sales": {
        "lost": 0,
        "recovery": Interval(0.0, 0.4 * S, Dimension.DURATION),
        "availability": {"overall": Interval(0.995, 1.0, Dimension.RATIO, point=1.0)},
    },
}
COUNTS = ("lost", "failed", "ok")


def deaf_to_figures(text: str) -> list[str]:
    condition = compile_expression(text)
    assert condition.evaluate(FIGURES).truth is True, "it held to begin with"
    return [d.condition for d in deaf_conditions(condition, FIGURES, condition.names, COUNTS)]


@pytest.mark.parametrize(
    "text",
    [
        "load.p95 < 500ms",
        "load.errors < 5%",
        "load.served >= 99%",
        "load.failed == 0",
        "load.ok > 10",
        "sales.lost == 0",
        "sales.recovery < 30s",
        "sales.availability.overall >= 99%",
    ],
)
def test_an_expectation_that_listens_to_its_figures(text: str) -> None:
    assert deaf_to_figures(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "load.p95 >= 0s",
        "load.errors <= 100%",
        "load.served >= 0%",
        "load.failed >= 0",
        "load.ok >= 0",
        "sales.lost > -1",
        "sales.recovery >= 0s",
        "sales.availability.overall <= 100%",
    ],
)
def test_an_expectation_that_any_figure_meets(text: str) -> None:
    assert deaf_to_figures(text) == [text]
    assert deaf_to_figures(f"load.failed == 0 and {text}") == [text]


@given(st.floats(0.01, 0.99), st.sampled_from(["errors", "served"]))
def test_a_share_held_against_a_bound_that_it_can_miss_is_heard(bound: float, name: str) -> None:
    operator = "<" if name == "errors" else ">="
    assert deaf_to_figures(f"load.{name} {operator} {bound * 100 + 1:.4f}%") == [] or bound * 100 + 1 > 100


@given(st.integers(1, 10_000))
def test_a_duration_that_could_be_longer_is_heard(bound_ms: int) -> None:
    condition = compile_expression(f"load.p95 < {bound_ms}ms")
    if condition.evaluate(FIGURES).truth is True:
        assert not deaf_conditions(condition, FIGURES, condition.names, COUNTS)
