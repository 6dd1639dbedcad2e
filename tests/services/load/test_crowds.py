"""Users who come and go: at their moments, together as many as asked for, and never in the middle of a request."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from load_support import MS, OK, SECOND, answering, certificate, configuration, request, run, script, serving

from seatrial.api.workloads import Maker
from seatrial.core.load_plans import LoadPlan, LoadRequest
from seatrial.core.plan import ProbeCall
from seatrial.core.workloads import RenderedRequest, Window
from seatrial.load.process import LoadProcess

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
SPIKE = {"spike": {"base": 4, "peak": 20, "after_ns": SECOND, "for_ns": SECOND}}


class Server:
    """Knows how many connections it has; each answer takes a time."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.open = self.most = 0
        self.seen: list[tuple[float, int]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(1)
        try:
            while True:
                await request(reader)
                if self.takes_s:
                    await asyncio.sleep(self.takes_s)
                writer.write(OK)
                await writer.drain()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.open += change
        self.most = max(self.most, self.open)
        self.seen.append((time.monotonic(), self.open))

    def longest(self, count: int) -> list[int]:
        """The numbers of connections that it had for the longest times, in the order in which it had them."""
        spans = [(b - a, a, n) for (a, n), (b, _) in itertools.pairwise(self.seen)]
        return [n for _, _, n in sorted(sorted(spans)[-count:], key=lambda s: s[1])]


@pytest.mark.parametrize("think", [0, 20 * MS])
@pytest.mark.parametrize("takes_s", [0.0, 0.08])
async def test_a_spike_comes_and_goes_and_nobody_is_cut_off(tmp_path: Path, think: int, takes_s: float) -> None:
    server = Server(takes_s)
    async with serving(server) as url:
        config = configuration(url, tmp_path / "x.load", users=20, crowd=SPIKE, think_ns=think, for_ns=3 * SECOND)
        found = await run(config)
    assert found.failed == 0
    assert found.ok > 50
    assert (found.said["asked"], found.said["reached"]) == (20, 20)
    assert server.most == 20
    assert {e["users"] for e in found.live} == {4, 20}
    assert server.longest(3) == [4, 20, 4]


@pytest.mark.parametrize("close", [False, True])
async def test_users_with_a_script_come_and_go(tmp_path: Path, close: bool) -> None:
    script(tmp_path, "r = Request('GET', '/')\ndef user():\n    yield r\n    yield r\n    yield r\n")
    answer = OK if not close else OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1)
    async with serving(answering(answer, close=close)) as url:
        more = {"script": "users.py:user", "requests": [], "users": 20, "crowd": SPIKE, "for_ns": 3 * SECOND}
        found = await run(configuration(url, tmp_path / "x.load", **more))
    assert found.failed == 0
    assert found.said["script_errors"] == []
    assert found.said["asked"] == 20
    if not close:
        assert found.said["reached"] == 20


async def test_a_ramp_starts_with_nobody_and_steps_end_with_nobody(tmp_path: Path) -> None:
    for crowd, first, last in (
        ({"ramp": {"from": 0, "to": 10, "over_ns": SECOND}}, range(6), 10),
        ({"steps": [[10, SECOND], [0, SECOND]]}, [10], 0),
    ):
        server = Server()
        async with serving(server) as url:
            config = configuration(url, tmp_path / "x.load", users=10, crowd=crowd, for_ns=2400 * MS, think_ns=5 * MS)
            found = await run(config)
        assert found.failed == 0
        assert found.live[0]["users"] in first
        assert found.live[-1]["users"] == last
        assert (found.said["asked"], found.said["reached"], server.most) == (10, 10, 10)


async def test_who_is_asked_for_in_the_last_second_may_still_connect(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        crowd = {"ramp": {"from": 1, "to": 40, "over_ns": 2 * SECOND}}
        found = await run(configuration(url, tmp_path / "x.load", users=40, crowd=crowd, for_ns=2 * SECOND))
    assert 15 <= found.said["asked"] <= 22
    assert found.said["asked"] < found.said["reached"]


@contextlib.asynccontextmanager
async def greeting_six(cert: Path, key: Path) -> AsyncIterator[str]:
    """A server that lets six connections through their handshake."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    greeted = 0

    def greet(*_: object) -> int | None:
        nonlocal greeted
        greeted += 1
        return None if greeted <= 6 else ssl.ALERT_DESCRIPTION_ACCESS_DENIED

    tls.sni_callback = greet
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's complaints about the others
    async with serving(answering(OK), tls=tls) as url:
        yield url


@needs_openssl
async def test_a_peak_that_has_no_connection_is_missing(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "server")
    async with greeting_six(cert, key) as url:
        config = configuration(url, tmp_path / "x.load", users=20, crowd=SPIKE, for_ns=3 * SECOND, verify=str(cert))
        found = await run(config)
    assert (found.said["asked"], found.said["reached"]) == (20, 6)
    assert set(found.errors) <= {"tls", "reset", "closed"}
    assert 14 <= found.failed <= 1200  # who is refused tries again, all together 1,000 times a second at most


@needs_openssl
@pytest.mark.parametrize("workers", [1, 2])
async def test_without_its_peak_a_run_is_invalid(tmp_path: Path, workers: int) -> None:
    cert, key = certificate(tmp_path, "server")
    plan = LoadPlan(
        name="x", directory=tmp_path, requests=(LoadRequest(call=ProbeCall(verb="http", what="GET /")),), users=20,
        crowd=SPIKE, for_ns=3 * SECOND, timeout_ns=SECOND, connections=1, workers=workers, verify=str(cert),
    )  # fmt: skip

    async def nobody(_: int) -> None: ...

    async with greeting_six(cert, key) as url:
        load = await Maker().start_load(plan, [RenderedRequest(urls=(url,))], tmp_path, nobody)
        try:
            await load.ended()
        finally:
            await load.stop()
    figures = load.figures(Window(from_ns=0, to_ns=time.monotonic_ns()), (), None, None)
    assert figures.detail["invalid"] == "only 6 of 20 users had a connection"
    assert "only 6 of 20" in figures.metrics["p95"].reason  # type: ignore[attr-defined]


async def test_several_workers_have_all_users_between_them(tmp_path: Path) -> None:
    server = Server()
    crowd = {"steps": [[3, SECOND], [11, SECOND], [2, SECOND]]}
    async with serving(server) as url:
        config = configuration(url, tmp_path / "x.load", users=11, crowd=crowd, for_ns=3 * SECOND, think_ns=5 * MS)
        load = await LoadProcess.start(config, 3)
        try:
            await load.ended()
            assert (load.asked(), load.connected()) == (11, 11)
        finally:
            sealed = await load.stop()
    assert sealed.valid
    assert sum(r["asked"] for r in load.results) == sum(r["reached"] for r in load.results) == 11
    assert server.longest(3) == [3, 11, 2]
    assert server.most == 11
