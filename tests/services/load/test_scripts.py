"""Users who follow a script: what they see, and what their mistakes count as."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from load_support import GET, OK, SECOND, answering, configuration, request, run, script, serving, shop

from seatrial.arrivals import samples

DUE = 50
BOTH = pytest.mark.parametrize("users", [0, 4])


SHOPPING = """
login = Request("GET", "/login", tag="login")
def user():
    answer = yield login
    assert answer.status == 200
    assert answer.body == b"hello"
    assert answer.headers["content-length"] == "5"
    answer = yield Request("GET", "/basket?token=" + answer.headers["x-token"], tag="basket")
    assert answer.status == 200
"""


@BOTH
@pytest.mark.parametrize("close", [False, True])
async def test_a_script_sees_answers_and_goes_on(tmp_path: Path, users: int, close: bool) -> None:
    script(tmp_path, SHOPPING)
    async with serving(shop(close=close)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.failed == 0
    assert found.said["script_errors"] == []
    tags = {found.said["tags"][n]: 0 for n in range(len(found.said["tags"]))}
    for row in found.of(samples.OK):
        tags[found.said["tags"][row["tag"]]] += int(row["count"])
    assert tags["login"] + tags["basket"] == found.ok
    if users:
        assert 0 <= tags["login"] - tags["basket"] <= users
    else:
        assert found.ok > DUE
        assert tags["login"] == DUE


@BOTH
async def test_an_assertion_that_fails_is_a_failed_request(tmp_path: Path, users: int) -> None:
    script(
        tmp_path, "def user():\n    answer = yield Request('GET', '/')\n    assert answer.body == b'no', answer.body\n"
    )
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.ok == 0
    assert set(found.errors) == {"script"}
    ((said, times),) = found.said["script_errors"]
    assert said.startswith("AssertionError: b'ok'")
    assert "users.py:4: assert answer.body == b'no', answer.body" in said
    assert times == found.failed


@BOTH
async def test_a_status_that_the_request_accepts_is_good(tmp_path: Path, users: int) -> None:
    script(
        tmp_path,
        "r = Request('GET', '/', accept=[404])\ndef user():\n    answer = yield r\n    assert answer.status == 404\n",
    )
    async with serving(answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 20


@BOTH
async def test_a_status_that_it_does_not_accept_has_failed_and_the_script_goes_on(tmp_path: Path, users: int) -> None:
    script(tmp_path, "r = Request('GET', '/')\ndef user():\n    yield r\n    yield r\n")
    async with serving(answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert set(found.errors) == {"status-5xx"}
    assert DUE < found.failed <= 2 * DUE if not users else found.failed > 20  # the end may cut the last ones


@BOTH
async def test_a_script_that_never_ends_ends_with_the_run(tmp_path: Path, users: int) -> None:
    script(tmp_path, "r = Request('GET', '/')\ndef user():\n    while True:\n        yield r\n")
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[])
        found = await run({**config, "schedule": {"constant": 10}, "for_ns": SECOND})
    assert found.failed == 0
    assert found.ok > 50
    assert found.said["took_s"] < 2


@BOTH
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def user():\n    return\n    yield\n", "ValueError: the script asked nothing"),
        ("def user():\n    raise KeyError('x')\n    yield\n", "KeyError: 'x'"),
        ("def user():\n    return None\n", "TypeError"),
        ("def user():\n    yield 'GET /'\n", "AttributeError"),
        ("def user():\n    yield None\n", "AttributeError"),
        ("def user():\n    yield Request('GET', '/a\\r\\nb')\n", "ValueError"),
    ],
)
async def test_a_script_that_asks_nothing_fails_each_arrival(tmp_path: Path, users: int, text: str, said: str) -> None:
    script(tmp_path, text)
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[])
        found = await run(config)
    assert found.ok == 0
    assert set(found.errors) == {"script"}
    assert found.failed == DUE if not users else 0 < found.failed < 250  # 4 users, each 10 ms
    assert found.said["script_errors"][0][0].startswith(said)


@BOTH
async def test_a_script_whose_second_request_is_wrong(tmp_path: Path, users: int) -> None:
    script(tmp_path, "def user():\n    yield Request('GET', '/')\n    yield 7\n")
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.ok == 0
    assert set(found.errors) == {"script"}


async def test_a_script_that_fails_now_and_then_before_it_asks_blames_no_answer(tmp_path: Path) -> None:
    text = (
        "r = Request('GET', '/')\nturns = [0]\ndef user():\n    turns[0] += 1\n    assert turns[0] % 3\n    yield r\n"
    )
    script(tmp_path, text)
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", users=1, script="users.py:user", requests=[])
        found = await run(config)
    assert set(found.errors) == {"script"}
    assert abs(found.ok - 2 * found.failed) <= 2


@BOTH
async def test_a_script_may_ask_for_heads(tmp_path: Path, users: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = b"" if (await request(reader)).startswith("HEAD") else b"ok"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n" + body)

    script(tmp_path, (
        "def user():\n    answer = yield Request('HEAD', '/')\n    assert answer.headers['x-a'] == 'b', answer.headers\n"
        "    assert answer.body == b''\n    answer = yield Request('GET', '/')\n    assert answer.body == b'ok'\n"
    ))  # fmt: skip
    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.failed == 0
    assert found.said["script_errors"] == []
    assert DUE < found.ok <= 2 * DUE if not users else found.ok > 20


async def test_users_think_between_two_requests(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", users=5, think_ns=100_000_000, for_ns=SECOND)
        found = await run(config)
    assert found.failed == 0
    assert 5 * 5 <= found.ok <= 5 * 10


async def test_a_script_with_bodies_and_headers(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("Content-Length"))
            seen.append((head, await reader.readexactly(length)))
            writer.write(OK)

    requests = [{**GET, "method": "POST", "json": {"a": "ü"}, "headers": {"X-Own": "1"}}]
    async with serving(handle) as url:
        config = configuration(url, tmp_path / "x.load", requests=requests, headers={"X-Own": "0", "X-All": "2"})
        found = await run(config)
    assert found.ok == DUE
    head, body = seen[0]
    assert body == '{"a":"ü"}'.encode()
    assert "X-Own: 1\r\n" in head
    assert "X-All: 2\r\n" in head
    assert "X-Own: 0" not in head


@BOTH
async def test_what_a_script_prints_is_no_event(tmp_path: Path, users: int) -> None:
    script(tmp_path, "def user():\n    print('hello')\n    yield Request('GET', '/')\n")
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[])
        found = await run(config, complains=True)
    assert found.failed == 0
    assert found.ok


@pytest.mark.parametrize("text", ["import not_a_module\n", "def other(): yield\n", "def user(:\n"])
async def test_a_script_that_cannot_be_read_ends_it_at_once(tmp_path: Path, text: str) -> None:
    script(tmp_path, text)
    with pytest.raises(AssertionError, match=r"not_a_module|no function user|invalid syntax"):
        await run(configuration("http://127.0.0.1:1", tmp_path / "x.load", script="users.py:user", requests=[]))


PAUSING = """
from seatrial.load.scripts import Pause
a, b = Request("GET", "/login", tag="a"), Request("GET", "/login", tag="b")
def user():
    yield a
    said = yield Pause(30_000_000)
    assert said is None
    yield Pause(20_000_000)
    yield b
"""


@BOTH
@pytest.mark.parametrize("close", [False, True])
async def test_a_script_may_pause(tmp_path: Path, users: int, close: bool) -> None:
    """Twice in a row, too; what it asks afterwards is on time."""
    script(tmp_path, PAUSING)
    async with serving(shop(close=close)) as url:
        config = configuration(
            url, tmp_path / "x.load", users=users, script="users.py:user", requests=[], for_ns=SECOND
        )
        found = await run(config)
    assert found.failed == 0
    assert found.said["script_errors"] == []
    tags = [int(found.of(samples.OK)[found.of(samples.OK)["tag"] == n]["count"].sum()) for n in range(2)]
    if users:
        assert users <= tags[1] <= users * 20
        assert 0 <= tags[0] - tags[1] <= users
    else:
        assert tags[0] == 100
        assert 80 <= tags[1] <= 100


@BOTH
async def test_a_script_that_fails_after_a_pause_is_told(tmp_path: Path, users: int) -> None:
    script(tmp_path, "from seatrial.load.scripts import Pause\na = Request('GET', '/login')\n"
        "def user():\n    yield a\n    yield Pause(10_000_000)\n    raise ValueError('after')\n")  # fmt: skip
    async with serving(shop()) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.errors.keys() == {"script"}
    assert found.ok - found.failed in range(users + 8)
    assert found.said["script_errors"][0][0].startswith("ValueError: after")


@BOTH
async def test_a_script_begins_with_a_request(tmp_path: Path, users: int) -> None:
    script(tmp_path, "from seatrial.load.scripts import Pause\ndef user():\n    yield Pause(0)\n")
    async with serving(shop()) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.ok == 0
    assert found.errors.keys() == {"script"}
    assert found.said["script_errors"][0][0].startswith("ValueError: a script begins with a request")


async def test_a_script_may_have_dataclasses(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Page:\n    path: str\n"
        "def user():\n    yield Request('GET', Page('/').path)\n"
    )
    (tmp_path / "users.py").write_text(
        text.replace("@dataclass\nclass", "from seatrial.load.scripts import Request\n@dataclass\nclass")
    )
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", script="users.py:user", requests=[]))
    assert (found.ok, found.failed) == (DUE, 0)
