"""Places are filled in as each place wants it; what has no text is refused."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.api.users import _body, _json, _pieces
from seatrial.core.templates import Template
from seatrial.load.filling import Pattern
from seatrial.load.scripts import Unexpected

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def filled(pieces: object, **values: object) -> str:
    return Pattern(list(pieces)).fill(values)  # type: ignore[call-overload]


@given(TEXTS, TEXTS)
def test_text_without_places_is_itself(one: str, other: str) -> None:
    assert filled([one, other]) == one + other
    assert not Pattern([one, other]).names


@given(JSON, TEXTS)
def test_json_is_json_whatever_the_values(value: object, text: str) -> None:
    tree = {
        "whole": Template.parse("{{ v }}"),
        "part": Template.parse("<{{ t }}>"),
        "plain": [text, 1, None, True],
        text: {},
    }
    found = json.loads(filled(_json(tree), v=value, t=text))
    assert found == {"whole": value, "part": f"<{text}>", "plain": [text, 1, None, True], text: {}}


@given(TEXTS, TEXTS.filter(bool))
def test_a_form_is_read_as_it_was_meant(text: str, name: str) -> None:
    body, kind = _body({"form": {name: Template.parse("a={{ t }}&"), "b": text}})
    assert kind == "application/x-www-form-urlencoded"
    found = parse_qsl(filled(body or [], t=text), keep_blank_values=True)
    assert found == [(name, f"a={text}&"), ("b", text)] or name == "b"


@given(TEXTS)
def test_a_path_is_one_word(text: str) -> None:
    found = filled([["t", "url"]], t=text)
    assert found.isascii()
    assert not any(c.isspace() or not c.isprintable() or c == "#" for c in found)
    assert unquote(found) == unquote(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (7.0, "7"), (True, "true"), ("x", "x"), ([1, "a"], '[1,"a"]'), ({"a": None}, '{"a":null}')],
)
def test_values_have_the_text_that_templates_give_them(value: object, text: str) -> None:
    assert filled(["<", ["v.w", "text"], ">"], v={"w": value}) == f"<{text}>"
    assert Template.parse("<{{ v.w }}>").render({"v": {"w": value}}) == f"<{text}>"  # type: ignore[union-attr]


@pytest.mark.parametrize(("pieces", "values", "words"), [
    ([["v", "text"]], {"v": None}, "null"),
    ([["v", "text"]], {}, "v has no value"),
    ([["v.a.b", "json"]], {"v": {"a": "text"}}, "no \"b\""),
    ([["v[0]", "json"]], {"v": []}, "missing"),
    ([["v", "header"]], {"v": "a\nb"}, "line break"),
])  # fmt: skip
def test_what_has_no_text_is_refused(pieces: list[list[str]], values: dict[str, object], words: str) -> None:
    with pytest.raises(Unexpected, match=words):
        Pattern(pieces).fill(values)


def test_percent_signs_and_braces_are_text() -> None:
    assert filled(_pieces(Template.parse("100% \\{{ x }} {{ v }} %s"), "text"), v="%d") == "100% {{ x }} %d %s"
