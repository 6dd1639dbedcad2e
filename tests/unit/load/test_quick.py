"""What is seen quickly is what the whole evaluation says; only true counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.core.expressions import ExpressionError, Missing, compile_expression
from seatrial.load.quick import surely

NAN = float("nan")
VALUES = st.sampled_from(
    [None, True, False, 0, 1, 200, 1.0, 1.5, NAN, "", "ok", "1", [], [1], {}, {"b": 1}, Missing("nothing")]
)
OPERANDS = st.sampled_from(
    ["a", "b", "a.b", "b[0]", "1", "200", "1.5", '"ok"', '""', "true", "null", "[1, 2]", "len(a)", "30s"]
)
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"])
COMPARISONS = st.builds(lambda a, o, b: f"{a} {o} {b}", OPERANDS, OPERATORS, OPERANDS)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds(lambda a, w, b: f"({a} {w} {b})", inner, st.sampled_from(["and", "or"]), inner)
        | st.builds(lambda a: f"(not {a})", inner)
    ),
    max_leaves=4,
)


@settings(max_examples=500)
@given(CONDITIONS, VALUES, VALUES)
def test_what_is_surely_true_is_true(text: str, a: object, b: object) -> None:
    try:
        condition = compile_expression(text)
    except ExpressionError:
        return
    values = {"a": a, "b": b}
    if surely(condition)(values):
        assert condition.evaluate(values).truth is True


@pytest.mark.parametrize(("text", "values"), [
    ("status == 200", {"status": 200}), ("status < 400 and text != \"\"", {"status": 200, "text": "x"}),
    ("json.ok == true", {"json": {"ok": True}}), ("json.id != null", {"json": {"id": "7"}}),
    ("status == 200 or status == 404", {"status": 404}), ("json.total >= price", {"json": {"total": 7.5}, "price": 7}),
])  # fmt: skip
def test_what_steps_expect_is_seen(text: str, values: dict[str, object]) -> None:
    assert surely(compile_expression(text))(values)


@pytest.mark.parametrize("text", ['status matches "2.."', "not status == 200", "any(json.items[*].id == 1)"])
def test_what_is_not_seen_is_left_to_the_evaluation(text: str) -> None:
    assert not surely(compile_expression(text))({"status": 200, "json": {"items": [{"id": 1}]}})
