"""The HTTP client at the level of bytes: framing, connections that are kept, and what is never sent twice."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from seatrial.probes.httpclient import Answer, Client, ExchangeError, Origin

Serve = Callable[..., Awaitable[int]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.close()


class Script:
    """Answers the n-th request with the n-th bytes, whatever the connection; None ends the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.requests.append(head)
            answer = self.answers.pop(0) if self.answers else OK
            if answer is None:
                break
            writer.write(answer)
            await writer.drain()
            if answer.endswith(b"<end>") or b"connection: close" in answer.lower():
                break
        writer.close()


async def ask(
    client: Client, port: int, request: bytes = GET, *, bodiless: bool = False, repeatable: bool = True
) -> Answer:
    async with asyncio.timeout(5):
        return await client.send(Origin("127.0.0.1", port, False), request, bodiless=bodiless, repeatable=repeatable)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nay!\r\n0\r\nx-late: 1\r\n\r\n",
            b"okay!",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nas long as it lasts<end>", b"as long as it lasts<end>"),
        (b"HTTP/1.0 200 OK\r\n\r\nold<end>", b"old<end>"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, b"ok"),
    ],
    ids=["length", "chunked", "until the end", "1.0", "no content", "interim answers"],
)
async def test_every_framing_gives_the_whole_content(
    client: Client, serve: Serve, answer: bytes, content: bytes
) -> None:
    seen = await ask(client, await serve(Script(answer)))
    assert seen.content == content
    assert seen.status in (200, 204)
    assert not seen.header("link")


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(b"ring " * 100, mtime=0)),
        ("deflate", zlib.compress(b"ring " * 100)),
        ("deflate", zlib.compress(b"ring " * 100, wbits=-15)),
        ("br", b"ring " * 100),  # not asked for, and left as it is
    ],
)
async def test_compressed_content_is_unpacked(client: Client, serve: Serve, coding: str, packed: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    assert (await ask(client, await serve(Script(head + packed)))).content == b"ring " * 100


@pytest.mark.parametrize(
    "packed", [b"no gzip at all", gzip.compress(b"ring " * 100, mtime=0)[:-12]], ids=["other", "cut"]
)
async def test_content_that_is_not_what_it_says_is_a_protocol_error(
    client: Client, serve: Serve, packed: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    with pytest.raises(ExchangeError) as raised:
        await ask(client, await serve(Script(head + packed)))
    assert raised.value.word == "protocol"


async def test_an_answer_to_head_has_a_length_and_no_content(client: Client, serve: Serve) -> None:
    script = Script(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
    port = await serve(script)
    seen = await ask(client, port, b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", bodiless=True)
    assert (seen.header("content-length"), seen.content) == ("999", b"")
    assert (await ask(client, port)).content == b"ok"
    assert script.connections == 1


async def test_a_connection_is_kept_between_requests(client: Client, serve: Serve) -> None:
    script = Script()
    port = await serve(script)
    for _ in range(5):
        await ask(client, port)
    assert (script.connections, len(script.requests)) == (1, 5)


async def test_a_connection_that_the_server_wants_closed_is_not_used_again(client: Client, serve: Serve) -> None:
    script = Script(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n")
    port = await serve(script)
    await ask(client, port)
    await ask(client, port)
    assert script.connections == 2


async def test_a_kept_connection_that_the_server_let_go_of_is_no_failure(client: Client, serve: Serve) -> None:
    script = Script(OK, None)
    port = await serve(script)
    await ask(client, port)
    assert (await ask(client, port)).content == b"ok"
    assert len(script.requests) == 3  # the second one went out twice


async def test_what_may_act_is_sent_once_and_on_a_fresh_connection(client: Client, serve: Serve) -> None:
    script = Script(OK, None)
    port = await serve(script)
    await ask(client, port)
    with pytest.raises(ExchangeError) as raised:
        await ask(client, port, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", repeatable=False)
    assert raised.value.word == "closed"
    assert (script.connections, len(script.requests)) == (2, 2)


async def test_an_answer_that_nobody_asked_for_reaches_nobody(client: Client, serve: Serve) -> None:
    script = Script(OK + b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")
    port = await serve(script)
    first = await ask(client, port)
    assert (first.status, first.content) == (200, b"ok")
    assert (await ask(client, port)).status == 200
    assert script.connections == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut<end>", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", "in the middle"),
        (None, "without an answer"),
    ],
)
async def test_a_connection_that_ends_early_says_where(client: Client, serve: Serve, answer: bytes, words: str) -> None:
    with pytest.raises(ExchangeError, match=words) as raised:
        await ask(client, await serve(Script(answer)))
    assert raised.value.word == "closed"


async def test_a_cancelled_request_takes_its_connection_with_it(client: Client, serve: Serve) -> None:
    heard, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.set()
        try:
            await reader.read()
        finally:
            gone.set()

    request = asyncio.create_task(ask(client, await serve(silent)))
    await heard.wait()
    request.cancel()
    async with asyncio.timeout(2):
        await gone.wait()


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text/plain; charset=latin-1", b"caf\xe9", "café"),
        ('text/plain; charset="utf-16"', "café".encode("utf-16"), "café"),
        ("text/plain; charset=klingon", "café".encode(), "café"),
        ("application/json", b"caf\xe9", "caf�"),
    ],
)
def test_text_is_in_the_character_set_that_it_says(kind: str, content: bytes, text: str) -> None:
    assert Answer(headers=[("content-type", kind)], content=content).text == text
