"""Requests as they are written, and where redirects lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from seatrial.core.observations import ProbeRequest, Reach
from seatrial.probes.httpclient import Client
from seatrial.probes.requesting import exchange, outgoing

URL = "http://127.0.0.1:8000"


def asked(identity: dict[str, str] | None = None, **arguments: object) -> ProbeRequest:
    return ProbeRequest(
        what="",
        arguments=arguments,
        reach=Reach(name="web", service="web", kind="process", endpoints={}),
        headers=identity or {},
        timeout_ns=10**9,
        around=None,
    )


def lines(data: bytes) -> list[str]:
    return data.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_a_plain_request_says_who_asks_and_what_is_understood() -> None:
    out = outgoing(asked(), "GET", f"{URL}/a?b=c#part")
    assert lines(out.data) == [
        "GET /a?b=c HTTP/1.1",
        "accept: */*",
        "accept-encoding: gzip, deflate",
        "user-agent: seatrial",
        "host: 127.0.0.1:8000",
    ]


@pytest.mark.parametrize(
    ("url", "query", "target"),
    [
        ("/a b/é?q=ü", {}, "/a%20b/%C3%A9?q=%C3%BC"),
        ("/a%20b?q=1%2B1", {}, "/a%20b?q=1%2B1"),
        ("", {"q": "1 2"}, "/?q=1+2"),
        ("/x?a=1", {"b": "&"}, "/x?a=1&b=%26"),
        ("/items[0]?a[]=1", {}, "/items%5B0%5D?a[]=1"),
    ],
)
def test_addresses_are_quoted_once(url: str, query: dict[str, str], target: str) -> None:
    out = outgoing(asked(query=query), "GET", URL + url)
    assert lines(out.data)[0] == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize(
    ("arguments", "kind", "body"),
    [
        ({"json": {"name": "Käthe", "n": [1, None]}}, "application/json", '{"name":"Käthe","n":[1,null]}'),
        ({"form": {"a": "1 2", "b": "&"}}, "application/x-www-form-urlencoded", "a=1+2&b=%26"),
        ({"body": "as it is"}, None, "as it is"),
        ({"json": False}, "application/json", "false"),
    ],
)
def test_contents(arguments: dict[str, object], kind: str | None, body: str) -> None:
    out = outgoing(asked(**arguments), "POST", URL)
    assert out.body == body.encode()
    assert out.headers.get("content-type") == kind
    assert out.headers["content-length"] == str(len(body.encode()))
    assert out.data.endswith(b"\r\n\r\n" + body.encode())


def test_headers_of_the_step_replace_the_usual_ones_and_the_identity_replaces_both() -> None:
    given = {"Host": "shop.test", "User-Agent": "me", "Authorization": "mine"}
    out = outgoing(asked({"authorization": "Bearer t"}, headers=given), "GET", URL)
    assert (out.headers["host"], out.headers["user-agent"], out.headers["authorization"]) == (
        "shop.test",
        "me",
        "Bearer t",
    )


def test_credentials_in_an_address_are_sent_and_not_shown() -> None:
    out = outgoing(asked(), "GET", "http://clerk:p%40ss@127.0.0.1:8000/x")
    assert out.headers["authorization"] == "Basic Y2xlcms6cEBzcw=="
    assert out.headers["host"] == "127.0.0.1:8000"
    assert "clerk" not in out.url


@pytest.mark.parametrize(
    ("arguments", "url", "words"),
    [
        ({"json": 1, "form": {}}, URL, "one content"),
        ({"json": object()}, URL, "not JSON serializable"),
        ({"headers": {"a b": "c"}}, URL, "no name of a header"),
        ({"headers": {"a": "b\r\nx: y"}}, URL, "line break"),
        ({}, "ftp://127.0.0.1/x", "no http or https address"),
        ({}, "http:///x", "no http or https address"),
        ({}, "http://127.0.0.1:99999/x", "Port out of range"),
    ],
)
def test_what_makes_no_request_is_refused(arguments: dict[str, object], url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        outgoing(asked(**arguments), "GET", url)


# -- redirects


class Moves:
    """Answers with redirects by path, and remembers what it was asked."""

    def __init__(self, places: dict[str, tuple[int, str]]) -> None:
        self.places = places
        self.heads: list[list[str]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = lines(head)
                self.heads.append(asked)
                length = next((int(line.split()[1]) for line in asked if line.startswith("content-length")), 0)
                await reader.readexactly(length)
                status, location = self.places.get(asked[0].split()[1], (200, ""))
                more = f"location: {location}\r\n" if location else ""
                writer.write(f"HTTP/1.1 {status} x\r\n{more}content-length: 0\r\n\r\n".encode())
        except asyncio.IncompleteReadError:
            writer.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.close()


@pytest.mark.parametrize(
    ("status", "method", "follows"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (302, "HEAD", "HEAD"),
    ],
)
async def test_the_method_after_a_redirect_is_that_of_the_standard(client, serve, status, method, follows) -> None:
    port = await serve(moves := Moves({"/old": (status, "/new?x=1")}))
    body = {} if method == "HEAD" else {"json": {"a": 1}}
    out = outgoing(asked(**body), method, f"http://127.0.0.1:{port}/old")
    answer, url = await exchange(client, out, redirects=True)
    assert answer.status == 200
    assert url == f"http://127.0.0.1:{port}/new?x=1"
    assert moves.heads[1][0] == f"{follows} /new?x=1 HTTP/1.1"
    assert any(line.startswith("content-length") for line in moves.heads[1]) == (follows in ("POST", "PUT"))


async def test_credentials_do_not_follow_to_another_origin(client, serve) -> None:
    other = await serve(elsewhere := Moves({}))
    port = await serve(here := Moves({"/old": (302, "/kept"), "/kept": (302, f"http://localhost:{other}/new")}))
    out = outgoing(asked({"Authorization": "Bearer t"}, headers={"x-kept": "1"}), "GET", f"http://127.0.0.1:{port}/old")
    answer, _ = await exchange(client, out, redirects=True)
    assert answer.status == 200
    assert "authorization: Bearer t" in here.heads[1]
    assert not any(line.startswith("authorization") for line in elsewhere.heads[0])
    assert "x-kept: 1" in elsewhere.heads[0]
    assert f"host: localhost:{other}" in elsewhere.heads[0]


@pytest.mark.parametrize("location", ["http://production.example/x", "ftp://127.0.0.1/x", "//10.0.0.1/x"])
async def test_a_redirect_to_what_nobody_allowed_is_the_answer_itself(client, serve, location) -> None:
    port = await serve(Moves({"/old": (302, location)}))
    answer, url = await exchange(client, outgoing(asked(), "GET", f"http://127.0.0.1:{port}/old"), redirects=True)
    assert answer.status == 302
    assert url.endswith("/old")


async def test_redirects_in_a_circle_end(client, serve) -> None:
    port = await serve(Moves({"/old": (302, "/old")}))
    with pytest.raises(ValueError, match="more than 10 redirects"):
        await exchange(client, outgoing(asked(), "GET", f"http://127.0.0.1:{port}/old"), redirects=True)
