"""A jar keeps what it is given, by path, until its end."""

from __future__ import annotations

import pytest

from seatrial.clients.http1 import Answer
from seatrial.load.cookies import Jar


def sent(jar: Jar, path: str) -> str:
    line = jar.line(path)
    assert not line or (line.startswith("Cookie: ") and line.endswith("\r\n"))
    return line.removeprefix("Cookie: ").rstrip()


@pytest.mark.parametrize(("where", "path", "inside"), [
    ("/", "/any/thing", True), ("/a", "/a", True), ("/a", "/a/b?c=/d", True), ("/a", "/ab", False), ("/a/", "/a/b", True),
    ("/a/", "/a", False), ("/a/b", "/a", False),
])  # fmt: skip
def test_a_cookie_is_sent_inside_its_path(where: str, path: str, inside: bool) -> None:
    jar = Jar()
    jar.keep([f"x=1; Path={where}"], "/else/where")
    assert sent(jar, path) == ("x=1" if inside else "")


def test_without_a_path_it_belongs_to_the_directory_of_what_was_asked() -> None:
    jar = Jar()
    jar.keep(["x=1"], "/a/b?c=/d/e")
    assert sent(jar, "/a/z") == "x=1"
    assert sent(jar, "/b") == ""


def test_longer_paths_come_first_and_the_same_one_is_replaced() -> None:
    jar = Jar()
    jar.keep(["x=1; Path=/", "y=2; Path=/a", "x=3; Path=/"], "/")
    assert sent(jar, "/a") == "y=2; x=3"


@pytest.mark.parametrize(
    "line", ["x=; Max-Age=0; Path=/", "x=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "x=1; Max-Age=-5; Path=/"]
)
def test_the_end_of_a_cookie_removes_it(line: str) -> None:
    jar = Jar()
    jar.keep(["x=1; Path=/"], "/")
    jar.keep([line], "/")
    assert not jar
    assert sent(jar, "/") == ""


def test_it_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    jar = Jar()
    jar.keep(["short=1; Max-Age=5; Path=/", "long=2; Max-Age=50; Path=/", "ever=3; Path=/"], "/")
    now = 1006.0
    assert sent(jar, "/") == "long=2; ever=3"
    now = 1051.0
    assert sent(jar, "/") == "ever=3"


@pytest.mark.parametrize(
    "line", ["", "=", "no value", "x=1; Expires=yesterday; Path=/", "x=1; Max-Age=soon; Path=/", "=1", "x=\x00"]
)
def test_nonsense_hurts_nobody(line: str) -> None:
    jar = Jar()
    jar.keep([line], "/")
    assert sent(jar, "/") in ("", "x=1")


def test_values_go_back_as_they_came() -> None:
    jar = Jar()
    jar.keep(['q="a b"; Path=/', "t=eyJ.abc-_=; Path=/"], "/")
    assert sent(jar, "/") == 'q="a b"; t=eyJ.abc-_='


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: y\r\nSET-COOKIE: b=2\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nSet-Cookie: c=9\r\n\r\nHTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie:b=2\r\nContent-Length: 0\r\n\r\n",
])  # fmt: skip
def test_an_answer_tells_every_cookie(head: bytes) -> None:
    assert list(Answer(200, b"", head).cookies) == ["a=1", "b=2"]


def test_a_body_sets_no_cookies() -> None:
    assert not Answer(
        200, b"\r\nSet-Cookie: a=1\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n\r\nSet-Cookie: a=1\r\n"
    ).cookies


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("session=abc; Path=/; Secure; HttpOnly; Partitioned", "session=abc"),
        ('x={"a":1}; Path=/', 'x={"a":1}'),
        ("t=a b; Path=/", "t=a b"),
        ("a=b; Path=/; Priority=High", "a=b"),
        ('q="in quotes"; Path=/', 'q="in quotes"'),
        ("a b=1; Path=/", "a b=1"),
    ],
)
def test_what_browsers_keep_is_kept_as_it_is(line: str, kept: str) -> None:
    jar = Jar()
    jar.keep([line], "/")
    assert sent(jar, "/") == kept
