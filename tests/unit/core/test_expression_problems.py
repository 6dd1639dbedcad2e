"""Every mistake is reported with its place and what to write instead."""

from __future__ import annotations

import pickle

import pytest

from seatrial.core.expressions import (
    Expression,
    ExpressionError,
    Scope,
    Type,
    compile_expression,
    compile_path,
    did_you_mean,
    parse,
)

SCOPE = Scope(
    names={
        "status": Type.NUMBER,
        "json": Type.ANY,
        "headers": Type.map_of(Type.TEXT),
        "body": Type.TEXT,
        "ready": Type.BOOL,
        "p95": Type.DURATION,
        "errors": Type.RATIO,
        "rate": Type.RATE,
        "memory": Type.SIZE,
        "error": Type.words("refused", "timeout"),
        "rows": Type.list_of(Type.list_of(Type.ANY)),
        "levels": Type.list_of(Type.TEXT),
        "flags": Type.list_of(Type.BOOL),
        "times": Type.list_of(Type.DURATION),
        "tenant": Type.TEXT,
        "sales": Type.record({"recovery": Type.DURATION, "lost": Type.NUMBER}),
        "flash-sales": Type.record({"recovery": Type.DURATION}),
    }
)


@pytest.mark.parametrize(
    "text",
    [
        "status == 200",
        "status in [200, 201, 204]",
        "status not in [500, 503]",
        "json",
        "json.ok and not ready",
        "headers.location matches '^/api/'",
        'headers["x-instance"] == "web#1"',
        "headers.x-instance == tenant",
        '"x-instance" in headers',
        "'ok' in body",
        'body == "t-{{ tenant }}"',
        "{{ tenant }} == json.id",
        "json.id == {{ tenant }}",
        "p95 < 200ms",
        "200ms > p95",
        "1m 30s >= p95",
        "errors < 0.1%",
        "rate >= 100/s",
        "memory <= 64 MiB",
        "error == null or error in ['refused', 'timeout']",
        "rows[0][0] == 1 and len(rows) == 1",
        "rows[-1] != null",
        "json.items[*].price == [1, 2]",
        "all(json.items[*].quantity >= 0)",
        "all(times < 1s)",
        "any(flags)",
        "all(levels in ['info', 'warn'])",
        "max(times) < 1s",
        "min(p95, 3s) < 2s",
        "sales.recovery < 30s and sales.lost == 0",
        "flash-sales.recovery < 30s",
        "not (status == 200 or status == 201)",
        "rows == [[1]]",
        "json.a == true",
        "json.in.matches == 3",
        "sales.recovery < flash-sales.recovery",
        "body matches '\\d+'",
        "tenant in levels",
        "headers != null",
    ],
)
def test_well_formed_conditions_compile(text: str) -> None:
    expression = compile_expression(text, SCOPE)
    assert expression.type == Type.BOOL
    assert expression.source == str(expression) == text
    assert parse(expression.canonical) == expression


# text, and for each problem: the part of the text it points to, what the message and what the hint says
PROBLEMS: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("p95 < 200", [("200", "p95 is a duration: write 200ms", "units: ns us ms s")]),
    ("200 > p95", [("200", "p95 is a duration: write 200ms", "units")]),
    ("errors < 0.001", [("0.001", "errors is a ratio: write 0.1%", "%")]),
    ("errors < 5", [("5", "write 5%", "")]),
    ("rate > 100", [("100", "rate is a rate: write 100/s", "/min")]),
    ("memory < 64", [("64", "memory is a size: write 64 MiB", "GiB")]),
    ("status == 200ms", [("200ms", "status is a number: write 200", "no unit")]),
    ("p95 < 5%", [("5%", "p95 is a duration and 5% is a ratio: they cannot be compared", "")]),
    ("p95 < errors", [("p95 < errors", "p95 is a duration and errors is a ratio", "")]),
    ("body == 3", [("3", "body is text and 3 is a number", 'write "3"')]),
    ("status == 'x'", [("'x'", "cannot be compared", "")]),
    ("ready == 1", [("1", "ready is true or false and 1 is a number", "write ready, or not ready")]),
    ("body < 'a'", [("body", "body is text and has no order", "use == != in matches")]),
    ("times < 3s", [("times", "times is a list (each item a duration) and has no order", "all(times < ...)")]),
    ("headers < 3", [("headers", "headers is a mapping and has no order", "len(headers) has one")]),
    ("json < null", [("null", "null is null and has no order", "")]),
    ("rows == 3", [("rows == 3", "rows is a list", "write 3 in rows, all(rows == 3), or len(rows)")]),
    ("stauts == 3", [("stauts", 'unknown name "stauts"', 'Did you mean "status"?')]),
    ("recovery < 30s", [("recovery", 'unknown name "recovery"', 'Did you mean "sales.recovery"?')]),
    ("sales.recovry < 30s", [(".recovry", 'sales has no "recovry"', 'recovery, lost. Did you mean "recovery"?')]),
    ("sales < 3", [("sales", "sales is a record", "choose one: sales.recovery, sales.lost")]),
    ("sales", [("sales", "sales is a record", "choose one")]),
    ("sales[0] == 1", [("[0]", "sales is a record, not a list", "recovery, lost")]),
    ("status.code == 3", [(".code", "status is a number and has no parts", "")]),
    ("rows.id == 3", [(".id", "rows is a list", "rows[0], or all of them, rows[*]")]),
    ("headers[0] == 'x'", [("[0]", "headers is a mapping, not a list", 'headers["0"]')]),
    ("error == 'refsued'", [("'refsued'", 'it is never "refsued"', 'refused, timeout. Did you mean "refused"?')]),
    ("error in ['timeout', 'reste']", [("'reste'", "it is never", "possible: refused, timeout")]),
    ("status in [200, 'x', 3s]", [("'x'", "cannot be compared", ""), ("3s", "write 3", "")]),
    ("status in levels", [("status in levels", "the items of levels are text", "")]),
    ("status in body", [("status", "only text can be in text", "")]),
    ("status in 3", [("3", "in looks into a list, a mapping or text", "x in [1, 2]")]),
    ("status", [("status", "status is a number, and neither true nor false", "compare it: status < 3")]),
    ("p95", [("p95", "neither true nor false", "compare it: p95 < 30s")]),
    ("body or ready", [("body", "body is text, and neither", 'body == "..."')]),
    ("levels", [("levels", "neither true nor false", "len(levels) > 0")]),
    ("status matches '2..'", [("status", "matches looks into text", "")]),
    ("body matches tenant", [("tenant", "a quoted regular expression is wanted", 'body matches "^ok"')]),
    ("body matches '['", [("'['", "not a regular expression: unterminated", "")]),
    ("true", [("true", "this names nothing that is measured", "")]),
    ("3 == 3", [("3 == 3", "it can never change", "")]),
    ("len(status) == 3", [("status", "status is a number and has no length", "")]),
    ("len() == 3", [("len()", "len takes one value", "how many")]),
    ("max() == 3", [("max()", "max of nothing", "the largest")]),
    ("max(status) == 3", [("max(status)", "takes a list or several values", "")]),
    ("min(p95, status) < 3s", [("min(p95, status)", "min of a duration and a number", "one kind")]),
    ("max(levels) == 'x'", [("max(levels)", "max orders quantities, not text", "")]),
    ("all(status == 3)", [("status", "all looks at each item of a list; status is a number", "")]),
    ("all(levels)", [("levels", "the items of levels are text, not true or false", "all(levels == ...)")]),
    ("all(times < 3)", [("3", "an item of times is a duration: write 3ms", "")]),
    ("any()", [("any()", "any takes one argument", "")]),
    ("sum(rows) == 3", [("sum", 'unknown function "sum"', "functions: len, min, max, any, all")]),
    ("leng(rows) == 3", [("leng", "unknown function", 'Did you mean "len"?')]),
    ("status = 200", [("=", "= is no operator here", "write == to compare")]),
    ("status === 200", [("===", "no operator", "write ==")]),
    ("ready && status == 3", [("&&", "&& is no operator here", "write and")]),
    ("!ready", [("!", "! is no operator here", "write not")]),
    ("body =~ 'x'", [("=~", "no operator", "write matches")]),
    ("status => 3", [("=>", "no operator", "write >=")]),
    ("status + 3 == 4", [("+", "+ is no operator here", "there is no arithmetic")]),
    ("status -3 == 4", [("-3", "-3 is not expected here", "there is no arithmetic")]),
    ("status contains 3", [("contains", '"contains" is not expected here', '"x" in body')]),
    ("status is 3", [("is", "not expected here", "write ==")]),
    ("error == None", [("None", "None is not a value here", "write null")]),
    ("ready == True", [("True", "True is not a value here", "write true")]),
    ("100 < status < 300", [("<", "comparisons cannot be chained", "write 100 < status and status < 300")]),
    ("rows.0.0 == 3", [("0.0", "a number cannot follow a dot", "write [0][0]")]),
    ("json.*.id == 3", [("*", "* cannot follow a dot", "write [*]")]),
    ("json.a[*].b[*] == 3", [("[", "only one [*] in a path", "")]),
    ("headers[location] == 'x'", [("location", "a whole number or a quoted name", 'write ["location"]')]),
    ("len(rows)[0] == 3", [("[", "a function's value has no parts", "")]),
    ("p95 < 30sec", [("30sec", "unknown unit 'sec': write s", "units here: ns us")]),
    ("status < 30 ready", [("ready", '"ready" is not expected here', "join conditions by and / or; units: ns")]),
    ("(status == 200", [("", ") is missing", "to close the ( at character 1")]),
    ("status in [200, 201", [("", "] is missing", "to close the [ at character 11")]),
    ("status == 200)", [(")", ") closes nothing", "")]),
    ("{{ tenant == body", [("==", "}} is missing", "")]),
    ("{{ 3 }} == body", [("3", "{{ }} holds the name of a value", "")]),
    ("body == '{{ nope }}'", [("'{{ nope }}'", 'unknown name "nope"', "names here")]),
    ("body == '{{ tenant'", [("'{{ tenant'", "{{ is not closed", "")]),
    ("body == '{{ 3 }}'", [("'{{ 3 }}'", "holds the name of a value", "")]),
    ("body == '${secret:TOKEN}'", [("'${secret:TOKEN}'", "a secret cannot be used", "reports")]),
    ("body == 'x", [("'x", "text without a closing quote", "end it with '")]),
    ("status == ", [("", "the expression ends where a value is wanted", "")]),
    ("status == and ready", [("and", 'a value is wanted here, not "and"', "")]),
    ("", [("", "an expression is missing", "")]),
    ("   ", [("", "an expression is missing", "")]),
    ("status == 3 §", [("§", "unexpected character '§'", "")]),
    ("json." + "x" * 10_000, [("json." + "x" * 10_000, "more than 10,000 characters", "")]),
]


@pytest.mark.parametrize(("text", "expected"), PROBLEMS, ids=[t[:40] or "empty" for t, _ in PROBLEMS])
def test_mistakes_teach(text: str, expected: list[tuple[str, str, str]]) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, SCOPE)
    found = caught.value.problems
    assert len(found) == len(expected), found
    for problem, (place, message, hint) in zip(found, expected, strict=True):
        assert message in problem.message
        assert hint in problem.hint
        if place:
            assert text[problem.offset : problem.offset + problem.length] == place
        assert message in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    text = "stauts == 3 and p95 < 200 or foo(3) and (status = 5 and p95 < 30sec) or ready == 1"
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, SCOPE)
    assert [text[p.offset : p.offset + p.length] for p in caught.value.problems] == [
        "stauts", "200", "foo", "=", "30sec", "1",
    ]  # fmt: skip


def test_nesting_beyond_reason_is_refused() -> None:
    for text in ("(" * 3000, "[" * 3000, "not " * 2000 + "(" * 900, "len(" * 2000, "((status == 1) == " * 400):
        with pytest.raises(ExpressionError):
            compile_expression(text, SCOPE)


def test_errors_survive_pickling() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("stauts == 3", SCOPE)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.text, copy.problems) == (caught.value.text, caught.value.problems)


def test_a_path_picks_out_any_value() -> None:
    assert compile_path("json.id", SCOPE).type == Type.ANY
    assert compile_path("headers.location", SCOPE).type == Type.TEXT
    assert compile_path("sales.recovery", SCOPE).type == Type.DURATION
    assert compile_path("rows[0]", SCOPE).type == Type.list_of(Type.ANY)
    assert compile_path("rows[*][0]", SCOPE).type == Type.list_of(Type.ANY)
    assert compile_path("len(rows)", SCOPE).type == Type.NUMBER
    assert compile_path(" json.id ", SCOPE).is_path
    assert not compile_path("len(rows)", SCOPE).is_path


@pytest.mark.parametrize("text", ["status == 200", "3", "'x'", "not ready", "[1]", "json.", "nope.id"])
def test_a_path_is_neither_a_condition_nor_a_constant(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_path(text, SCOPE)


def test_names_are_the_roots_in_order() -> None:
    text = 'json.a == status and body == "{{ tenant }}-{{ json.b }}" and max(p95, 3s) < 9s'
    assert compile_expression(text, SCOPE).names == ("json", "status", "body", "tenant", "p95")


def test_without_a_scope_every_name_is_allowed() -> None:
    assert compile_expression("anything.goes[0] == 3").names == ("anything",)
    with pytest.raises(ExpressionError, match="there are no names here"):
        compile_expression("a == 1", Scope())


def test_a_scope_can_be_extended() -> None:
    scope = SCOPE.extended({"status": Type.TEXT, "took": Type.DURATION}, {"took": "time it took"})
    assert compile_expression("status == 'up' and took < 3s", scope).names == ("status", "took")
    assert scope.descriptions == {"took": "time it took"}
    assert SCOPE.get("took") is None


def test_expressions_are_immutable_hashable_and_picklable() -> None:
    expression = compile_expression("sales.recovery < 30s and 'x' in body", SCOPE)
    copy = pickle.loads(pickle.dumps(expression))
    assert isinstance(copy, Expression)
    assert copy == expression
    assert hash(copy) == hash(expression)
    assert (copy.source, copy.type, copy.names) == (expression.source, expression.type, expression.names)
    assert copy.evaluate({"body": "y"}).truth is False
    assert compile_expression("sales.recovery<30s  and  ('x' in body)", SCOPE) == expression
    with pytest.raises(AttributeError):
        expression.source = "x"  # type: ignore[misc]


def test_suggestions_ignore_case_and_stay_silent_on_strangers() -> None:
    assert did_you_mean("primry", ["primary", "replica"]) == 'Did you mean "primary"?'
    assert did_you_mean("PRIMARY", ["primary"]) == 'Did you mean "primary"?'
    assert did_you_mean("zebra", ["primary", "replica"]) == ""
