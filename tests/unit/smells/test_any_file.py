"""Whatever stands in a Python file, looking through it ends, and what is said has a place in it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.core.errors import Problem, UsageError
from seatrial.smells import RULES, look
from seatrial.smells.reading import read

NAMES = st.sampled_from(
    ["a", "b", "self", "client", "mock", "pytest", "time", "Mock", "status_code", "test_x", "é", "len", "expect"]
)
CONSTANTS = st.sampled_from(
    ["0", "1", "200", "500", "None", "True", "'x'", "b''", "...", "1.5", "()", "[]", "{}", "'\\n'"]
)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    operators = st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "is", "is not", "+", "or", "and"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, NAMES).map(lambda t: f"({t[0]}).{t[1]}"),
        st.tuples(NAMES, inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(NAMES, NAMES, inner).map(lambda t: f"{t[0]}.{t[1]}(*{t[2]}, x={t[2]})"),
        two.map(lambda t: f"[{t[0]}, {t[1]}]"),
        two.map(lambda t: f"({t[0]}, {t[1]})"),
        two.map(lambda t: f"{{{t[0]}: {t[1]}}}"),
        two.map(lambda t: f"[{t[0]} for a in {t[1]}]"),
        two.map(lambda t: f"({t[0]} if {t[1]} else {t[0]})"),
        st.tuples(NAMES, inner).map(lambda t: f"({t[0]} := {t[1]})" if t[0] != "self" else t[1]),
        inner.map(lambda t: f"(lambda a: {t})"),
        inner.map(lambda t: f"(not {t})"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"{t}[0]"),
        st.just("f'{a!r:>{b}} x'"),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, CONSTANTS), _expressions, max_leaves=5)


def _indented(body: list[str]) -> str:
    return "\n".join(f"    {line}" for statement in body for line in statement.split("\n"))


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.tuples(EXPRESSIONS, body, body).map(lambda t: f"if {t[0]}:\n{t[1]}\nelse:\n{t[2]}"),
        st.tuples(NAMES, EXPRESSIONS, body).map(lambda t: f"for {t[0]} in {t[1]}:\n{t[2]}\nelse:\n    pass"),
        st.tuples(EXPRESSIONS, body).map(lambda t: f"while {t[0]}:\n{t[1]}"),
        st.tuples(EXPRESSIONS, NAMES, body).map(lambda t: f"with {t[0]} as {t[1]}:\n{t[2]}"),
        st.tuples(body, body, body).map(lambda t: f"try:\n{t[0]}\nexcept Exception as a:\n{t[1]}\nfinally:\n{t[2]}"),
        st.tuples(body, body).map(lambda t: f"try:\n{t[0]}\nexcept (a, b.c):\n{t[1]}\nelse:\n    pass"),
        st.tuples(body, body).map(lambda t: f"try:\n{t[0]}\nexcept* OSError:\n{t[1]}"),
        st.tuples(NAMES, body).map(lambda t: f"@pytest.fixture\ndef {t[0]}(a, *, b=1, **client):\n{t[1]}"),
        st.tuples(NAMES, body).map(lambda t: f"class Test{t[0].title()}(unittest.TestCase):\n{t[1]}"),
        st.tuples(EXPRESSIONS, body).map(
            lambda t: f"match {t[0]}:\n    case [a, *b] if a:\n{_indented([t[1]])}\n    case _:\n        pass"
        ),
    )


SIMPLE = st.one_of(
    EXPRESSIONS,
    EXPRESSIONS.map(lambda t: f"assert {t}"),
    EXPRESSIONS.map(lambda t: f"raise ({t})"),
    EXPRESSIONS.map(lambda t: f"return ({t})"),
    EXPRESSIONS.map(lambda t: f"a.b[0] = c, *d = {t}"),
    EXPRESSIONS.map(lambda t: f"a += {t}"),
    EXPRESSIONS.map(lambda t: f"a: int = {t}"),
    st.sampled_from(
        ["pass", "global g", "import time as a", "from . import b", "from .. import *", "del b", "pytest.skip('x')", "time.sleep(1)",
         "self.assertEqual(1, 1)", "self.assertTrue()", "mock.called_once_with(1)", "expect(a)", "# seatrial: allow pause because x\npass"]
    ),
)  # fmt: skip
STATEMENTS = st.recursive(SIMPLE, _statements, max_leaves=8)
FILES = st.lists(STATEMENTS, min_size=1, max_size=4).map(
    lambda body: (
        f"import pytest, time\nasync def test_y(client, a=1, *b, **c):\n{_indented(body)}\ndef test_x(self):\n{_indented(body)}\n"
    )
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(FILES)
def test_any_file_is_looked_through(tmp_path: Path, code: str) -> None:
    path = tmp_path / "test_any.py"
    path.write_text(code, encoding="utf-8")
    try:
        ast.parse(code)
    except SyntaxError:
        assert look([path]).unread
        return
    looked = look([path])
    assert looked.tests >= 2
    lines = code.split("\n")
    for found in looked.found:
        position = found.problem.position
        assert found.problem.rule in (*RULES, "allow")
        assert position is not None
        assert 1 <= position.column <= len(lines[position.line - 1]) + 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_any.py"
    path.write_bytes(content)
    found = read(path)
    assert not isinstance(found, Problem) or str(path) in str(found)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def test_x(:\n", "1:12: not Python: "),
        ("def test_x():\npass\n", "2:1: not Python: expected an indented block"),
        ("# coding: no-such\n", "not Python: unknown encoding"),
        ("x = '\udcff'\n", "not Python: "),
    ],
)
def test_what_is_no_python_is_said_with_its_place_and_the_rest_is_looked_through(
    tmp_path: Path, code: str, words: str
) -> None:
    (tmp_path / "test_bad.py").write_bytes(code.encode(errors="surrogateescape"))
    (tmp_path / "test_good.py").write_text("def test_x():\n    assert True\n")
    looked = look([tmp_path])
    [problem] = looked.unread
    assert words in str(problem)
    assert "test_bad.py" in str(problem)
    assert [f.problem.rule for f in looked.found] == ["tautology"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "there is no"), ("notes.md", "is no Python file"), ("empty", "there are no tests in")],
)
def test_paths_without_tests_are_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "conftest.py").write_text("")
    with pytest.raises(UsageError, match=words):
        look([tmp_path / name])


def test_a_file_that_is_nested_without_end_is_said_to_be(tmp_path: Path) -> None:
    deep = "+".join(["a"] * 30_000)
    (tmp_path / "test_deep.py").write_text(f"def test_x(a):\n    assert ({deep}) == a\n")
    looked = look([tmp_path])
    assert len(looked.unread) + len([f for f in looked.found if not f.certain]) <= 1
