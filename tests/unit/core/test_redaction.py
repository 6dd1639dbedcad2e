from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from seatrial.core.redaction import SHORTEST, STRUCK, Redactor, looks_secret

DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "quoted": lambda s: urllib.parse.quote(s, safe=""),
    "quoted as a path": urllib.parse.quote,
    "quoted as a form": urllib.parse.quote_plus,
    "quoted in lower case": lambda s: "".join(
        chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02x}" for b in s.encode()
    ),
    "json": lambda s: json.dumps(s)[1:-1],
    "json, not ASCII alone": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json in json": lambda s: json.dumps(json.dumps(s))[3:-3],
    "html": html.escape,
    "repr": lambda s: repr(s)[1:-1],
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
}
secrets = st.text(alphabet=st.characters(codec="utf-8"), min_size=SHORTEST, max_size=24).filter(
    lambda s: s not in STRUCK
)
surroundings = st.text(alphabet="ab {}\"':/=&", max_size=8)


def texts(tree: Any) -> Iterator[str]:
    """All keys and texts of a tree."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        yield from texts([*tree, *tree.values()])
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from texts(value)


@given(
    secrets,
    surroundings,
    surroundings,
    st.sampled_from(["as it is", "json", "json in json", "html", "base64", "quoted"]),
)
def test_no_secret_is_left(secret: str, before: str, after: str, disguise: str) -> None:
    disguised = DISGUISES[disguise](secret)
    assume(disguised not in before + STRUCK + after)
    redactor = Redactor([secret])
    for tree in (
        f"{before}{disguised}{after}",
        {"x": [before, (disguised, after)], disguised: None},
        [{"deep": {"deeper": f"{before}{disguised}"}}],
    ):
        shown = list(texts(redactor.redact(tree)))
        assert any(STRUCK in text for text in shown)
        assert not any(disguised in text for text in shown)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("secret", ["hunter2!", 'pa"ss\\w/ö rd', "a&b<c>'d", "0123456789abcdef", "tab\tand\nline"])
def test_every_disguise_is_seen_through(secret: str, disguise: str) -> None:
    shown = Redactor([secret]).text(f"x {DISGUISES[disguise](secret)} y")
    assert shown.startswith(f"x {STRUCK}")
    assert shown.endswith(" y")


@given(st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_something_around_it_is_seen_through(before: bytes, after: bytes) -> None:
    secret = "correct horse battery"
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    shown = Redactor([secret]).text(f"<{encoded}>")
    assert STRUCK in shown
    assert len(shown) - len(STRUCK) <= len(encoded) - 26 + 2


@given(st.text(max_size=60))
@example("a user at https://shop.example/items?page=2")
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assume(not any(word in text.casefold() for word in ("pass", "secret", "token", "://")))
    assume("kitchen" not in text)
    assert Redactor(["kitchen-sink"]).text(text) == text


def test_short_values_are_let_be() -> None:
    assert Redactor(["abc", ""]).text("abc is the alphabet") == "abc is the alphabet"


def test_a_longer_secret_is_struck_out_whole() -> None:
    assert Redactor(["hunter", "hunter2-and-more"]).text("x hunter2-and-more hunter") == f"x {STRUCK} {STRUCK}"


def test_secrets_are_learnt_while_running() -> None:
    redactor = Redactor()
    assert redactor.text("token-abcdef") == "token-abcdef"
    redactor.add("token-abcdef")
    redactor.add("token-abcdef")
    assert redactor.text("x token-abcdef") == f"x {STRUCK}"


def test_lines_of_a_key_file_are_secrets_of_their_own() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"
    redactor = Redactor([key])
    assert redactor.text(f"a {key}b") == f"a {STRUCK}b"
    assert redactor.text("MIIEvQIBADANBgkqhkiG9w0B") == STRUCK
    assert redactor.text(key.strip()) == STRUCK


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"Authorization": "Bearer x", "Accept": "*/*"}, {"Authorization": STRUCK, "Accept": "*/*"}),
        ({"set-cookie": ["a=b", "c=d"]}, {"set-cookie": [STRUCK, STRUCK]}),
        ({"x-csrf-token": "abc"}, {"x-csrf-token": STRUCK}),
        ({"json": {"access_token": "abc", "user": "u"}}, {"json": {"access_token": STRUCK, "user": "u"}}),
        ({"DB_PASSWORD": b"abc"}, {"DB_PASSWORD": STRUCK.encode()}),
        ({"password": 12345678}, {"password": STRUCK}),
        ({"password": None, "token": "", "secret": True}, {"password": None, "token": "", "secret": True}),
        ({"password": {"hash": "x"}}, {"password": {"hash": "x"}}),
        ({"tokens": 5, "max_token_count": 7}, {"tokens": 5, "max_token_count": 7}),
        ({"token": "{{ token }}"}, {"token": "{{ token }}"}),
        ({"Authorization": "${secret:TOKEN}"}, {"Authorization": "${secret:TOKEN}"}),
        ([["authorization", "Bearer x"], ["accept", "*/*"]], [["authorization", STRUCK], ["accept", "*/*"]]),
        ((("json.token", '"abc"'),), (("json.token", STRUCK),)),
        ({"n": [1, 2.5, None, True]}, {"n": [1, 2.5, None, True]}),
    ],
)
def test_credentials_are_struck_out_by_their_names(tree: Any, expected: Any) -> None:
    assert Redactor().redact(tree) == expected


def test_a_number_that_is_a_secret_is_struck_out() -> None:
    assert Redactor(["424242"]).redact({"pin": 424242, "n": 42}) == {"pin": STRUCK, "n": 42}


def test_bytes_stay_bytes() -> None:
    assert Redactor(["hunter2"]).redact(b"\xff hunter2") == b"\xff " + STRUCK.encode()


def test_what_is_neither_text_nor_container_comes_back_as_it_is() -> None:
    thing = object()
    assert Redactor(["hunter2"]).redact([thing])[0] is thing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://shop:pw@db:5432/x", f"postgres://shop:{STRUCK}@db:5432/x"),
        ("postgres://shop:p@ss@db/x", f"postgres://shop:{STRUCK}@db/x"),
        ("redis://:pw@[::1]:6379/0", f"redis://:{STRUCK}@[::1]:6379/0"),
        ("see http://host:80/a@b", "see http://host:80/a@b"),
        ("host=db password=pw dbname=x", f"host=db password={STRUCK} dbname=x"),
        ("password='a b' x", f"password='{STRUCK}' x"),
        ("/login?token=abc&user=u", f"/login?token={STRUCK}&user=u"),
        ('{"password": "a\\"b", "user": "u"}', f'{{"password": "{STRUCK}", "user": "u"}}'),
        ("GET /\r\nAuthorization: Bearer abc\r\nHost: x", f"GET /\r\nAuthorization: {STRUCK}\r\nHost: x"),
        ("Cookie: a=b; c=d", f"Cookie: {STRUCK}"),
        ("sent Bearer abcdef123456 to it", f"sent Bearer {STRUCK} to it"),
        ('json.token is "abc"; wanted == null', f'json.token is "{STRUCK}"; wanted == null'),
        ("json.token == 3 and token != null", "json.token == 3 and token != null"),
        ("password=${secret:DB}", "password=${secret:DB}"),
        ("3 tokens, 2 passwords", "3 tokens, 2 passwords"),
    ],
)
def test_passwords_in_texts_are_struck_out(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected
    assert Redactor().text(expected) == expected


@pytest.mark.parametrize(
    "name", ["Authorization", "x-auth-token", "SECRET_KEY", "json.password", "api-key", "Set-Cookie"]
)
def test_names_of_credentials_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["tokens", "passport", "accept", "cookies-served", "status"])
def test_other_names_are_not(name: str) -> None:
    assert not looks_secret(name)


plain_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(secrets, max_size=2), plain_trees)
def test_a_line_that_is_called_clean_holds_nothing_to_strike_out(values: list[str], tree: Any) -> None:
    redactor = Redactor(values)
    if redactor.clean(json.dumps(tree, ensure_ascii=False)):
        assert redactor.redact(tree) == tree


@given(secrets, st.sampled_from(sorted(DISGUISES)), surroundings, surroundings)
def test_a_line_with_a_secret_is_never_called_clean(secret: str, disguise: str, before: str, after: str) -> None:
    tree = {"seen": [f"{before}{DISGUISES[disguise](secret)}{after}"]}
    redactor = Redactor([secret])
    assert redactor.redact(tree) == tree or not redactor.clean(json.dumps(tree, ensure_ascii=False))


@pytest.mark.parametrize(
    "tree",
    [
        {"password": "x"},
        {"headers": {"Authorization": "Basic eHl6"}},
        ["json.access_token", "abc"],
        {"url": "postgres://u:p@h/db"},
        {"X-Api-Key": 12345},
        {"PASSPHRASE": "PASS"},
    ],
)
def test_a_line_with_credentials_by_name_is_never_called_clean(tree: Any) -> None:
    assert not Redactor().clean(json.dumps(tree, ensure_ascii=False))


def test_an_ordinary_line_is_clean() -> None:
    assert Redactor(["hunter2secret"]).clean('{"verdict":"PASS","request":"GET http://127.0.0.1:8000/item/1"}')
