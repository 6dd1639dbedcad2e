"""One check on the command line."""

from __future__ import annotations

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import compile_check


def test_a_check_on_one_line(vocabulary: Vocabulary) -> None:
    check = compile_check("http: GET http://127.0.0.1:8000/x?a=b", vocabulary, environment={})
    assert (check.call.verb, check.call.what, check.call.at) == ("http", "GET http://127.0.0.1:8000/x?a=b", None)


def test_options_add_attributes(vocabulary: Vocabulary) -> None:
    check = compile_check(
        "http: GET /x", vocabulary, environment={}, at="web/leader", expect="status == 404", within="3s"
    )
    assert (str(check.call.at), str(check.expect), check.within_ns) == ("web/leader", "status == 404", 3_000_000_000)


def test_a_mapping_with_braces(vocabulary: Vocabulary) -> None:
    check = compile_check("{http: GET /x, at: web *, expect: status == 200, within: 1s}", vocabulary, environment={})
    assert (str(check.call.at), str(check.expect)) == ("web *", "status == 200")


def test_a_colon_in_the_text_needs_no_quotes(vocabulary: Vocabulary) -> None:
    assert compile_check('log: "error: ', vocabulary, environment={}, expect="count == 0").call.what == '"error:'


def test_who_types_an_address_allows_it(vocabulary: Vocabulary) -> None:
    assert compile_check("http: https://shop.example/", vocabulary, environment={}).call.what


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("htpp: GET /", {}, "a check without a verb"),
        ("http: GET /", {}, 'this http step needs "at"'),
        ("http: GET /", {"at": "web/"}, "'web/' names no target"),
        ("http: GET /", {"at": "web", "expect": "stauts == 1"}, 'unknown name "stauts"'),
        ("http: GET /", {"at": "web", "within": "3"}, "3 has no unit"),
        ("{http: GET /, at: web, save: {a: json.b}}", {}, 'unknown key "save" in a step with http'),
        ("{http: GET /", {}, "not YAML: a mapping without its }"),
        ("", {}, "a check without a verb"),
        ("hello", {}, 'a check is a mapping, not the text "hello"'),
    ],
)
def test_a_wrong_check_is_refused(vocabulary: Vocabulary, text: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_check(text, vocabulary, environment={}, **options)  # type: ignore[arg-type]
    assert [p.message for p in caught.value.problems] == [message]
