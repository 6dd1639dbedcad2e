from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.core.expressions import Missing, Scope, Type
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.templates import (
    Template,
    TemplateError,
    render,
    render_partly,
    secret_names,
    substitute_environment,
    template_names,
)

VALUES: dict[str, Any] = {
    "tenant": "t1",
    "trial": {"id": 42, "ok": True, "none": None, "tags": ["a", 1], "share": 0.5, "whole": 3.0},
    "took": Quantity(2.5e9, Dimension.DURATION),
    "count": Quantity(1234567, Dimension.NUMBER),
    "recovery": Interval(1e9, 2e9, Dimension.DURATION),
    "gone": Missing("the workload did not run"),
}
SECRETS = {"TOKEN": "s3cr3t", "DB-PASSWORD": "hunter2"}


def template(text: str) -> Template:
    found = Template.parse(text)
    assert isinstance(found, Template)
    return found


@pytest.mark.parametrize("text", ["", "plain", "}}", "{ {x} }", "$TOKEN", "cost: 3$", '{"a": {"b": 1}}'])
def test_plain_text_stays_text(text: str) -> None:
    assert Template.parse(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t-{{ tenant }}-{{trial.id}}", "t-t1-42"),
        ("{{ trial.tags[0] }}{{ trial.tags[1] }}", "a1"),
        ('{{ trial["id"] }}!', "42!"),
        ("/{{ trial.ok }}", "/true"),
        ("/{{ trial.share }}/{{ trial.whole }}", "/0.5/3"),
        ("={{ trial.tags }}", '=["a",1]'),
        ("in {{ took }}", "in 2.5s"),
        ("n={{ count }}", "n=1234567"),
        ("{{ recovery }} long", "1s to 2s long"),
        ("Bearer ${secret:TOKEN}", "Bearer s3cr3t"),
        ("${secret:TOKEN}", "s3cr3t"),
        ("a:${secret:DB-PASSWORD}@{{ tenant }}", "a:hunter2@t1"),
        ("$${secret:TOKEN} {{ tenant }}", "${secret:TOKEN} t1"),
        (r"\{{ name }} {{ tenant }}", "{{ name }} t1"),
    ],
)
def test_fills_in(text: str, expected: str) -> None:
    assert template(text).render(VALUES, SECRETS) == expected


@pytest.mark.parametrize("name", ["trial.id", "trial.ok", "trial.none", "trial.tags", "took", "trial"])
def test_a_single_value_keeps_its_type(name: str) -> None:
    expected: Any = VALUES
    for part in name.split("."):
        expected = expected[part]
    assert template(f"{{{{ {name} }}}}").render(VALUES) == expected


def test_secrets_may_come_from_a_function() -> None:
    asked: list[str] = []

    def look_up(name: str) -> str:
        asked.append(name)
        return "v"

    assert template("${secret:A}${secret:B}").render({}, look_up) == "vv"
    assert asked == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ tenat }}", '"tenat" has no value here; names: tenant, trial'),
        ("x{{ tenat }}", 'Did you mean "tenant"?'),
        ("x{{ trial.nope }}", "{{ trial.nope }}: trial.nope is missing; keys here: id, ok"),
        ("{{ gone.lost }}", "the workload did not run"),
        ("/api/{{ trial.none }}", "{{ trial.none }} is null and has no text"),
        ("${secret:TOKN}", 'unknown secret "TOKN"; secrets: TOKEN, DB-PASSWORD. Did you mean "TOKEN"?'),
    ],
)
def test_says_what_is_missing(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        template(text).render(VALUES, SECRETS)
    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_without_secrets_none_is_known() -> None:
    with pytest.raises(TemplateError, match="secrets: none"):
        template("${secret:TOKEN}").render({})


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a {{ b", "{{", "{{ is not closed"),
        ("{{ a }} {{ b", "{{", "{{ is not closed"),
        ("{{ a {{ b }}", "{{", "{{ is not closed"),
        ("{{ }}", " ", "missing"),
        ("x {{ a b }}", "b", '"b" is not expected here'),
        ("x {{ len(a) }}", " len(a) ", "len(a) is not a name or path"),
        ("{{ 3 }}", " 3 ", "not a value to pick out"),
        ("{{ a.0 }}", "0", "a number cannot follow a dot"),
        ("${secret:}", "${secret:}", "'' is not the name of a secret"),
        ("${secret:a b}", "${secret:a b}", "not the name of a secret"),
        ("${secret:TOKEN", "${secret:", "not closed"),
    ],
)
def test_mistakes_have_places(text: str, place: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert text[problem.offset : problem.offset + problem.length] == place
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_all_mistakes_are_found_at_once_and_names_checked_against_a_scope() -> None:
    scope = Scope(names={"tenant": Type.TEXT, "trial": Type.record({"id": Type.TEXT})})
    text = "{{ tenat }} {{ trial.ix }} ${secret:} {{ tenant }}"
    with pytest.raises(TemplateError) as caught:
        Template.parse(text, scope)
    assert [text[p.offset : p.offset + p.length] for p in caught.value.problems] == ["tenat", ".ix", "${secret:}"]
    assert isinstance(Template.parse("{{ trial.id }}", scope), Template)


def test_a_template_knows_its_names_and_never_a_secrets_value() -> None:
    found = template("{{ a.b }} ${secret:TOKEN} {{ c }} {{ a.d }} ${secret:TOKEN}")
    assert found.names == ("a", "c")
    assert found.secrets == ("TOKEN",)
    found.render({"a": {"b": 1, "d": 2}, "c": 3}, SECRETS)
    assert "s3cr3t" not in repr(found)
    assert b"s3cr3t" not in pickle.dumps(found)
    assert pickle.loads(pickle.dumps(found)) == found
    assert str(found) == found.source
    with pytest.raises(AttributeError):
        found.source = "x"  # type: ignore[misc]


def test_trees_are_filled_in_and_searched() -> None:
    tree = {
        "json": {"id": template("{{ trial.id }}"), "list": [template("x{{ tenant }}"), 3, None]},
        "pair": (template("${secret:TOKEN}"), "plain"),
        template("k{{ tenant }}"): True,
    }
    assert render(tree, VALUES, SECRETS) == {
        "json": {"id": 42, "list": ["xt1", 3, None]},
        "pair": ("s3cr3t", "plain"),
        "kt1": True,
    }
    assert template_names(tree) == ("trial", "tenant")
    assert secret_names(tree) == ("TOKEN",)
    assert template_names({"a": ["b", 1]}) == secret_names("x") == ()


ENVIRONMENT = {"HOST": "db", "EMPTY": "", "PORT": "5432"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${HOST}:${PORT}", "db:5432"),
        ("${EMPTY}|${EMPTY-x}|${EMPTY:-x}", "||x"),
        ("${NONE-x}|${NONE:-x}|${NONE:-}", "x|x|"),
        ("${URL:-http://${HOST}:${PORT:-1}/}", "http://db:5432/"),
        ("${X:-{{ tenant }}}", "{{ tenant }}"),
        ("${HOST:?needed}", "db"),
        ("$$HOME $${HOST} 5$", "$HOME ${HOST} 5$"),
        ("$HOST", "$HOST"),
        ("${secret:TOKEN} $${secret:TOKEN}", "${secret:TOKEN} $${secret:TOKEN}"),
        ("${secret:-x}", "x"),
        ("${X:-a$$b}", "a$b"),
    ],
)
def test_substitutes_the_environment_as_compose_does(text: str, expected: str) -> None:
    assert substitute_environment(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    ("text", "places", "said"),
    [
        ("a ${NONE} b ${OTHER}", ["${NONE}", "${OTHER}"], "environment variable NONE is not set"),
        ("${HOTS}", ["${HOTS}"], 'Did you mean "HOST"?'),
        ("${EMPTY:?give a host}", ["${EMPTY:?give a host}"], "EMPTY is empty: give a host"),
        ("${NONE?no host}", ["${NONE?no host}"], "NONE is not set: no host"),
        ("${A:-${NONE}}", ["${NONE}"], "NONE is not set"),
        ("x ${HOST", ["${"], "${ is not closed"),
        ("${a b}", ["${a b}"], "${a b} is not a variable"),
        ("${}", ["${}"], "${NAME:-default}"),
        ("${A:-" * 20 + "x" + "}" * 20, ["${"], "not closed"),
    ],
)
def test_unresolved_variables_are_all_reported(text: str, places: list[str], said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        substitute_environment(text, ENVIRONMENT)
    assert [text[p.offset : p.offset + p.length] for p in caught.value.problems] == places
    assert said in str(caught.value)


PIECES = ["{{", "}}", " a", ".b", "[0]", "${", "}", "secret:", "X", "$", "$$", "\\", ":-", ":?", '"', "é", "{", "a b"]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=15).map("".join) | st.text(max_size=30))
def test_reading_any_text_gives_a_template_or_problems_with_places(text: str) -> None:
    for read in (Template.parse, lambda t: substitute_environment(t, {"X": "x", "a": ""})):
        try:
            found = read(text)
        except TemplateError as error:
            assert error.problems  # noqa: PT017
            assert all(0 <= p.offset < max(1, len(text)) and p.length >= 1 for p in error.problems)  # noqa: PT017
        else:
            if isinstance(found, Template):
                assert Template.parse(found.source) == found


@given(st.text(max_size=40))
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    if "${secret:" not in text:
        assert substitute_environment(text.replace("$", "$$"), {}) == text


def test_what_is_known_later_stays_and_the_rest_is_filled_in() -> None:
    tree = {
        "a": template("{{ tenant }}/{{ item.id }}?t=${secret:TOKEN}&\\{{"),
        "b": [template("{{ trial.id }}"), "x"],
        "c": template("{{ item }}"),
    }
    found = render_partly(tree, VALUES, SECRETS, {"item"})
    assert isinstance(found, dict)
    assert found["b"] == [42, "x"]
    assert [str(p) for p in found["a"].pieces] == ["t1/", " item.id ", "?t=s3cr3t&{{"]
    assert render(found, {"item": {"id": 7}}) == {"a": "t1/7?t=s3cr3t&{{", "b": [42, "x"], "c": {"id": 7}}


def test_a_value_that_looks_like_a_place_is_text() -> None:
    found = render_partly(template("{{ tenant }} {{ item }}"), {"tenant": "{{ item }}"}, None, {"item"})
    assert render(found, {"item": "ring"}) == "{{ item }} ring"
