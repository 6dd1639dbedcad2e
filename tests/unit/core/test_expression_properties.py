"""Laws that hold for all expressions and values."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from seatrial.core.expressions import (
    Expression,
    ExpressionError,
    Missing,
    Scope,
    Type,
    compile_expression,
    compile_path,
    parse,
)
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity

SCOPE = Scope(
    names={
        "status": Type.NUMBER,
        "json": Type.ANY,
        "headers": Type.map_of(Type.TEXT),
        "p95": Type.DURATION,
        "rows": Type.list_of(Type.list_of(Type.ANY)),
        "error": Type.words("refused", "timeout"),
        "sales": Type.record({"recovery": Type.DURATION, "lost": Type.NUMBER}),
        "ready": Type.BOOL,
    }
)
WORDS = [
    *("status", "json", "headers", "p95", "rows", "error", "sales", "ready", "recovery", "lost", "nowhere", "a-b"),
    *("and", "or", "not", "in", "matches", "true", "false", "null", "None", "len", "min", "all", "any"),
    *(
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "=",
        "&&",
        "!",
        "+",
        "-",
        "/",
        "%",
        "$",
        "{{",
        "}}",
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
    ),
    *("*", "0", "-1", "200", "3.5", "1e9", "1e999", "30s", "1m 30s", "99.9%", "100/s", "64 MiB", "5parsec"),
    *("'x'", '"y"', "'", '"', '"{{ json }}"', '"{{', "'\\d['", "\\", "é", "\x00", "\n"),
]

soup = st.lists(st.sampled_from(WORDS), max_size=25).flatmap(
    lambda words: st.sampled_from([" ", ""]).map(lambda glue: glue.join(words))
)
texts = st.text(max_size=60) | soup


@settings(max_examples=1500)
@given(texts)
def test_reading_any_text_gives_an_expression_or_problems_with_places(text: str) -> None:
    for read in (parse, lambda t: compile_expression(t, SCOPE), lambda t: compile_path(t, SCOPE)):
        try:
            expression = read(text)
        except ExpressionError as error:
            assert error.problems  # noqa: PT017
            for problem in error.problems:
                assert problem.message
                assert 0 <= problem.offset <= len(text)
                assert problem.length >= 1
        else:
            assert parse(expression.canonical) == parse(text)
            expression.evaluate({})


names = st.sampled_from(["status", "json", "rows", "flash-sales", "é", "x_1"])
keys = st.sampled_from(["a", "b c", "in", "", 'qu"ote', "back\\slash", "x-1"]).map(
    lambda k: "[" + '"' + k.replace("\\", "\\\\").replace('"', '\\"') + '"]'
)
steps = st.lists(keys | st.sampled_from([".a", ".in", "[0]", "[-1]"]), max_size=3).map("".join)
paths = st.builds(lambda n, s: n + s, names, steps)
strings = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="{$"), max_size=8).map(
    lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
constants = (
    st.sampled_from(["1", "-2.5", "30s", "1m 30s", "99.9%", "64 MiB", "true", "null", "'it'", "[1, 'x']"]) | strings
)
operands = st.deferred(
    lambda: (
        paths
        | constants
        | paths.map(lambda p: f"{{{{ {p} }}}}")
        | paths.map(lambda p: "'t-{{ " + p.replace("\\", "\\\\").replace("'", "\\'") + " }}'")
        | paths.map(lambda p: f"len({p})")
    )
)
comparisons = st.builds(
    lambda a, o, b: f"{a} {o} {b}", paths, st.sampled_from(["==", "!=", "in", "not in"]), operands
) | st.builds(lambda a, o, b: f"{a} {o} {b}", paths, st.sampled_from(["<", "<=", ">", ">="]), paths)
conditions = st.recursive(
    comparisons | paths,
    lambda inner: (
        st.builds(lambda a, w, b: f"({a}) {w} ({b})", inner, st.sampled_from(["and", "or", "=="]), inner)
        | inner.map(lambda i: f"not ({i})")
        | st.lists(inner, min_size=2, max_size=4).map(" and ".join)
    ),
    max_leaves=8,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from(["", "a", "ring", "5"])
    | st.sampled_from([Missing("not seen"), Quantity(1e9, Dimension.DURATION), Quantity(float("nan"), Dimension.RATIO)])
    | st.sampled_from(
        [Interval(1, 2, Dimension.NUMBER), Interval(1e9, 9e9, Dimension.DURATION), b"raw", object(), {1, 2}]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "in", "b c", "x-1"]), inner, max_size=3)
        | st.dictionaries(st.integers(0, 2), inner, max_size=2)
    ),
    max_leaves=8,
)
scopes = st.dictionaries(names, values)


def well_typed(text: str) -> Expression:
    """The expression, if its types agree: `json in 1` is refused when it is compiled."""
    try:
        return parse(text)
    except ExpressionError as error:
        assert not any("expected" in p.message or "wanted here" in p.message for p in error.problems)  # noqa: PT017
        reject()


@given(conditions)
def test_printing_and_reading_are_inverse(text: str) -> None:
    expression = well_typed(text)
    again = parse(expression.canonical)
    assert again == expression
    assert again.canonical == expression.canonical
    assert pickle.loads(pickle.dumps(expression)) == expression


@settings(max_examples=400)
@given(conditions, scopes)
def test_judging_any_values_never_fails_and_explains_itself(text: str, found: dict[str, Any]) -> None:
    expression = well_typed(text)
    judgement = expression.evaluate(found)
    assert judgement.truth in (True, False, None)
    assert bool(judgement.reason) == (judgement.truth is not True)
    assert judgement.measured
    assert judgement.bound
    again = parse(expression.canonical).evaluate(found)
    assert (again.truth, again.bound) == (judgement.truth, judgement.bound)
    expression.value(found)


def kleene(text: str, a: bool | None, b: bool | None, c: bool | None = None) -> bool | None:
    named = {"a": a, "b": b, "c": c}
    return parse(text).evaluate({n: Missing("unknown") if v is None else v for n, v in named.items()}).truth


truths = st.sampled_from([True, False, None])
RANK = {False: 0, None: 1, True: 2}


@given(truths, truths, truths)
def test_three_valued_logic_keeps_its_laws(a: bool | None, b: bool | None, c: bool | None) -> None:
    assert kleene("a and b", a, b) == min(a, b, key=RANK.__getitem__)
    assert kleene("a or b", a, b) == max(a, b, key=RANK.__getitem__)
    assert kleene("not a", a, b) == (None if a is None else not a)
    assert kleene("not (a and b)", a, b) == kleene("not a or not b", a, b)
    assert kleene("not (a or b)", a, b) == kleene("not a and not b", a, b)
    assert kleene("a and (b or c)", a, b, c) == kleene("a and b or a and c", a, b, c)
    assert kleene("not not a", a, b) == a
    assert kleene("any([a, b, c])", a, b, c) == kleene("a or b or c", a, b, c)
    assert kleene("all([a, b, c])", a, b, c) == kleene("a and b and c", a, b, c)


@given(values, values)
def test_comparisons_are_consistent_for_any_two_values(a: Any, b: Any) -> None:
    found = {"a": a, "b": b}

    def truth(text: str) -> bool | None:
        return parse(text).evaluate(found).truth

    for word, negated, mirrored in (("==", "!=", "=="), ("<", ">=", ">"), ("<=", ">", ">=")):
        direct = truth(f"a {word} b")
        assert truth(f"a {negated} b") == (None if direct is None else not direct)
        assert truth(f"b {mirrored} a") == direct
    assert truth("a in [b]") == truth("a == b")
    assert truth("any([b] == a)") == truth("a == b")
