"""What expressions say of values: true, false, or unknown with the reason."""

from __future__ import annotations

import datetime
import decimal
import math
import time
import uuid
from typing import Any

import pytest

from seatrial.core.expressions import Missing, compile_expression, compile_path, parse
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity


def seconds(value: float) -> Quantity:
    return Quantity(value * 1e9, Dimension.DURATION)


def between(low: float, high: float) -> Interval:
    return Interval(low * 1e9, high * 1e9, Dimension.DURATION)


VALUES: dict[str, Any] = {
    "status": 404,
    "json": {
        "ok": True,
        "id": "5",
        "none": None,
        "share": 0.2,
        "big": 12345678901234567890,
        "text": "ring",
        "items": [{"n": 1, "up": True}, {"n": 2, "up": False}],
        "mixed": [{"n": 1}, {"m": 2}],
        "by-name": {"a": {"n": 1}, "b": {"n": 5}},
        "empty": [],
        "nan": math.nan,
        "null-list": [None, 1],
    },
    "headers": {"x-instance": "web#1"},
    "body": "hello t1",
    "error": None,
    "tenant": "t1",
    "took": seconds(0.2),
    "share": Quantity(0.999, Dimension.RATIO),
    "count": Quantity(3, Dimension.NUMBER),
    "rows": [(1, decimal.Decimal("2.50"), datetime.date(2026, 1, 2), uuid.UUID(int=7), b"raw")],
    "sales": {
        "recovery": between(2.61, 2.64),
        "outage": between(29, 31),
        "lost": 0,
        "latency": Missing("no operation succeeded"),
    },
    "other": {"recovery": between(2.0, 2.5), "outage": between(30, 32)},
    "never": Interval(30e9, math.inf, Dimension.DURATION),
    "gone": Missing("workload gone did not run"),
}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("status == 404", True),
        ("status != 404", False),
        ("status < 404.5", True),
        ("status in [404, 200]", True),
        ("status in []", False),
        ("status not in [404]", False),
        ("json.ok", True),
        ("not json.ok", False),
        ("json.ok == true", True),
        ("json.id == '5'", True),
        ("json.big == 12345678901234567890", True),
        ("json.big == 12345678901234567891", False),
        ("json.none == null", True),
        ("json.none != null", False),
        ("json.none == 'x'", False),
        ("json.none != 'x'", True),
        ("json.none in ['x', null]", True),
        ("json.none in ['x', 'y']", False),
        ("json.id != null", True),
        ("json.id in [1, '5', null]", True),
        ("json.id in [1, '6', null]", False),
        ("error == 'refused'", False),
        ("error in ['refused', 'timeout']", False),
        ("error == null", True),
        ("json.text matches '^r.ng$'", True),
        ("json.text matches 'in'", True),
        ("json.text not matches '^ing'", True),
        ("'ell' in body", True),
        ("'x-instance' in headers", True),
        ("'x-other' in headers", False),
        ("{{ tenant }} in body", True),
        ("body == 'hello {{ tenant }}'", True),
        ("body == \"hello {{ json['id'] }}\"", False),
        ("json.items == [{}, {}]".replace("{}", "1"), None),
        ("json.items[*].n == [1, 2]", True),
        ("json.items[*].n == [1, 3]", False),
        ("json.items[*].n == [1]", False),
        ("json.items[-1].n == 2", True),
        ("json['by-name'].a.n == 1", True),
        ("len(json.items) == 2", True),
        ("len(body) > 3", True),
        ("len(headers) == 1", True),
        ("len(json.empty) == 0", True),
        ("max(json.items[*].n) == 2", True),
        ("min(took, 3s) == 200ms", True),
        ("max(sales.recovery, 2.62s) < 3s", True),
        ("max(sales.recovery, 2.62s) < 2.63s", None),
        ("all(json.items[*].n > 0)", True),
        ("all(json.items[*].n > 1)", False),
        ("any(json.items[*].n > 1)", True),
        ("any(json.items[*].n > 2)", False),
        ("all(json.items[*].up)", False),
        ("any(json.items[*].up)", True),
        ("all(json['by-name'][*].n < 9)", True),
        ("all(json.mixed[*].n == 1)", None),
        ("any(json.mixed[*].n == 1)", True),
        ("all(json.mixed[*].n == 2)", False),
        ("all(json.empty == 1)", None),
        ("any(json.empty == 1)", False),
        ("all(json.items[*].n in [1, 2, 3])", True),
        ("took < 200ms", False),
        ("took <= 200ms", True),
        ("200ms >= took", True),
        ("count == 3", True),
        ("share >= 99.9%", True),
        ("rows[0][0] == 1", True),
        ("rows[0][1] == 2.5", True),
        ("rows[0][2] == '2026-01-02'", True),
        ("rows[0][3] matches '0007$'", True),
        ("rows[0][4] == 'raw'", True),
        ("sales.recovery < 30s", True),
        ("sales.recovery < 2.61s", False),
        ("sales.recovery > other.recovery", True),
        ("sales.outage == 5s", False),
        ("sales.outage != 5s", True),
        ("never > 29s", True),
        ("sales.lost == 0", True),
        ("false and json.nowhere", False),
        ("true or json.nowhere", True),
        ("json.nowhere and status == 1", False),
        ("status == 404 or gone", True),
    ],
)
def test_decides(text: str, truth: bool | None) -> None:
    judgement = parse(text).evaluate(VALUES)
    assert judgement.truth is truth, judgement
    assert bool(judgement.reason) == (truth is not True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("json.total == 3", "json.total is missing; keys here: ok, id, none"),
        ("json.total.sum == 3", "json.total is missing; keys here"),
        ("json.total == null", "json.total is missing"),
        ("json.total != null", "json.total is missing"),
        ("rows[3][0] == 1", "rows[3] is missing; rows has 1 item"),
        ("json.items.n == 3", 'json.items is a list of 2; it has items (json.items[0]) and no "n"'),
        ("json[0] == 3", "json is a mapping of 12 keys; it has no item [0]"),
        ("json.none.x == 3", 'json.none is null; it has no "x"'),
        ("len(status[*]) == 3", "status is the number 404; [*] wants a list or a mapping"),
        ("json.none == 3", "json.none: null stands where a number is wanted"),
        ("json.none < 3", "null and the number 3 have no order"),
        ("json.id == 5", 'json.id: the text "5" and the number 5 cannot be compared'),
        ("json.id in [1, 2]", "cannot be compared"),
        ("json.ok == 1", "true and the number 1 cannot be compared"),
        ("json.share < 200ms", "json.share: 0.2 is a bare number, without a unit; 200ms is a duration"),
        ("took < 5", "5 is a bare number, without a unit; 200ms is a duration"),
        ("took < 5%", "the duration 200ms and the ratio 5% cannot be compared"),
        ("json.nan < 3", "not a number (NaN)"),
        ("json.text", 'json.text is the text "ring", which is neither true nor false: compare it'),
        ("json.items matches 'x'", "a list of 2 is no text"),
        ("3 in body", "the number 3 cannot be a part of text"),
        ("3 in headers", "the number 3 cannot be a key"),
        ("'x' in status", "the number 404 holds nothing"),
        ("json.items < 3", "have no order"),
        ("len(status) == 3", "status is the number 404 and has no length"),
        ("len(json.nowhere) == 3", "json.nowhere is missing"),
        ("max(json.empty) == 3", "max(json.empty) of an empty list"),
        ("max(json.text) == 3", 'the text "ring" is no list'),
        ("max(took, 3) == 3", "its values are of several dimensions"),
        ("max(json.items) == 3", "is no quantity"),
        ("all(json.empty == 1)", "json.empty is empty: it shows nothing"),
        ("all(json.nowhere == 1)", "json.nowhere is missing"),
        ("all(status == 1)", "status is the number 404, not a list"),
        ("all(json.items[*].n)", "the number 1 is neither true nor false"),
        ("all(json.mixed[*].n == 1)", "json.mixed[1].n is missing; keys here: m"),
        ("sales.outage < 30s", "sales.outage: measured 29s to 31s; the bound 30s lies inside"),
        ("30s > sales.outage", "measured 29s to 31s; the bound 30s lies inside"),
        ("sales.outage < other.outage", "measured 29s to 31s, which overlaps 30s to 32s"),
        ("sales.latency < 3s", "sales.latency: no operation succeeded"),
        ("gone.lost == 0", "workload gone did not run"),
        ("gone", "workload gone did not run"),
        ("nowhere.at == 3", "nowhere has no value"),
        ("body == 'x {{ nowhere }}'", "nowhere has no value"),
        ("body == '{{ json.total }}'", "json.total is missing"),
        ("json.null-list == [null, '1']", "cannot be compared"),
    ],
)
def test_says_why_it_cannot_tell(text: str, reason: str) -> None:
    judgement = parse(text).evaluate(VALUES)
    assert judgement.truth is None, judgement
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("text", "measured", "bound", "shown"),
    [
        ("sales.recovery < 30s", (("sales.recovery", "2.61s to 2.64s"),), "< 30s", "2.61s to 2.64s"),
        ("30s > sales.recovery", (("sales.recovery", "2.61s to 2.64s"),), "< 30s", "2.61s to 2.64s"),
        ("status in [200, 201]", (("status", "404"),), "in [200, 201]", "404"),
        ("'x' in body", (("body", '"hello t1"'),), 'contains "x"', '"hello t1"'),
        ("json.ok", (("json.ok", "true"),), "is true", "true"),
        ("not json.ok", (("json.ok", "true"),), "is false", "true"),
        ("not status == 404", (("status", "404"),), "not == 404", "404"),
        ("len(json.items) == 3", (("len(json.items)", "2"),), "== 3", "2"),
        ("json.total == 1", (("json.total", "missing"),), "== 1", "missing"),
        ("took < 1m 30s", (("took", "200ms"),), "< 1m 30s", "200ms"),
        (
            "sales.recovery < other.recovery",
            (("sales.recovery", "2.61s to 2.64s"), ("other.recovery", "2s to 2.5s")),
            "< other.recovery",
            "sales.recovery 2.61s to 2.64s, other.recovery 2s to 2.5s",
        ),
        ("all(json.items[*].n > 1)", (("json.items[0].n", "1"),), "all > 1", "1"),
        ("all(json['by-name'][*].n > 1)", (("json.by-name.a.n", "1"),), "all > 1", "1"),
        ("all(json.items[*].n > 0)", (("json.items[*].n", "[1, 2]"),), "all > 0", "[1, 2]"),
        ("status == 404 and took < 1ms and body == 'x'",
         (("took", "200ms"), ("body", '"hello t1"')), '< 1ms and == "x"', 'took 200ms, body "hello t1"'),
        ("status == 1 or took < 1s", (("took", "200ms"),), "< 1s", "200ms"),
        ("status > 1 and status < 999", (("status", "404"),), "> 1 and < 999", "404"),
    ],
)  # fmt: skip
def test_the_measured_stands_beside_the_bound(
    text: str, measured: tuple[tuple[str, str], ...], bound: str, shown: str
) -> None:
    judgement = parse(text).evaluate(VALUES)
    assert (judgement.measured, judgement.bound, judgement.shown) == (measured, bound, shown)


def test_a_false_condition_says_what_was_and_what_was_wanted() -> None:
    judgement = parse("status == 200 and json.ok").evaluate(VALUES)
    assert judgement.reason == "status is 404; wanted == 200"


def test_a_measured_value_is_told_from_its_bound_by_enough_digits() -> None:
    judgement = parse("took < 30s").evaluate({"took": seconds(29.9996)})
    assert (judgement.truth, judgement.shown) == (True, "29.9996s")
    assert parse("share >= 99.9%").evaluate({"share": Quantity(0.99899, Dimension.RATIO)}).shown != "99.9%"


def test_the_interval_of_a_single_measured_quantity_goes_with_it() -> None:
    assert parse("sales.recovery < 30s and sales.recovery > 1s").evaluate(VALUES).interval == between(2.61, 2.64)
    assert parse("took < 30s").evaluate(VALUES).interval == between(0.2, 0.2)
    assert parse("status == 404").evaluate(VALUES).interval is None
    assert parse("sales.recovery < other.recovery").evaluate(VALUES).interval is None


def test_long_values_are_shortened() -> None:
    values = {"body": "x" * 10_000, "json": {str(n): ["y" * 100] * 100 for n in range(1000)}, "deep": [[[[[1]]]]]}
    for name in ("body", "json"):
        judgement = parse(f"{name} == 3").evaluate(values)
        assert len(judgement.shown) < 500
        assert "..." in judgement.shown
    assert parse("deep == 3").evaluate(values).shown == "[[[[...]]]]"


def test_values_nested_without_end_are_unknown_not_an_error() -> None:
    nested: list[Any] = []
    inner = nested
    for _ in range(5_000):
        inner.append([])
        inner = inner[0]
    other: list[Any] = []
    inner = other
    for _ in range(5_000):
        inner.append([])
        inner = inner[0]
    judgement = parse("a == b").evaluate({"a": nested, "b": other})
    assert judgement.truth is None
    assert "nested too deeply" in judgement.reason


def test_values_are_picked_out_as_they_are() -> None:
    assert compile_path("json.items[1].n").value(VALUES) == 2
    assert compile_path("rows[0][1]").value(VALUES) == decimal.Decimal("2.50")
    assert compile_path("sales.recovery").value(VALUES) == between(2.61, 2.64)
    assert compile_path("json.items[*].n").value(VALUES) == [1, 2]
    assert compile_path("json.none").value(VALUES) is None
    assert compile_path("len(json.items)").value(VALUES) == 2
    missing = compile_path("json.token").value(VALUES)
    assert isinstance(missing, Missing)
    assert missing.reason.startswith("json.token is missing")
    assert str(missing) == f"(missing: {missing.reason})"


def test_a_condition_has_a_value_too() -> None:
    assert parse("status == 404").value(VALUES) is True
    assert parse("[status == 404, 1]").value(VALUES) == [True, 1]
    assert isinstance(parse("gone == 1").value(VALUES), Missing)


def test_judging_takes_microseconds() -> None:
    condition = compile_expression("status == 200")
    values = {"status": 200}
    rounds = 2_000

    def once() -> float:
        began = time.perf_counter()
        for _ in range(rounds):
            condition.evaluate(values)
        return (time.perf_counter() - began) / rounds

    assert min(once() for _ in range(20)) < 10e-6
