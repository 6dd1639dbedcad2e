"""Splits of a real router: right and wrong shares, users who are forgotten, sent back or wavering, answers that fail."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from split_grpc import serving
from streams import accepting

from seatrial.api.vocabulary import vocabulary
from seatrial.core.expressions import Judgement
from seatrial.core.observations import Observation, Reach, Seen
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Endpoint
from seatrial.engine.probing import Prober, judge
from seatrial.spec.single import compile_check

ROUTER = Path(__file__).with_name("router.py")
WHAT = "GET http://127.0.0.1:{}/listings/1"
PROBER = Prober(vocabulary(), lambda name: "", Redactor())
TEN = "share: {microservice: 10%}, difference: 5%"


class Router:
    """One that runs."""

    def __init__(self, *arguments: str) -> None:
        self.arguments, self.port = arguments, 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROUTER), str(self.port), *self.arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def percent(self, percent: float) -> None:
        httpx.post(f"http://127.0.0.1:{self.port}/percent/{percent}", trust_env=False).raise_for_status()


@pytest.fixture
def router() -> Any:
    running: list[Router] = []

    def start(*arguments: str) -> Router:
        running.append(Router(*arguments))
        return running[-1]

    yield start
    for one in running:
        one.end()


async def look(
    port: int, more: str, expect: str | None = None, before: object = None, what: str = WHAT
) -> tuple[Observation, Judgement]:
    """One attempt, and how it is judged."""
    what = what.format(port)
    headers = "" if "{{ user }}" in what else 'headers: {X-User: "{{ user }}"}, '
    backend = "" if "backend:" in more else "backend: headers.x-served-by, "
    check = compile_check(f"{{split: '{what}', {headers}{backend}{more}}}", vocabulary(), environment={}, expect=expect)
    given = {**check.call.arguments, **({"since": before} if before is not None else {})}
    seen = await PROBER.call(replace(check.call, arguments=given), {}, check.timeout_ns)
    return seen, judge(check, seen, {})


Start = Callable[..., Router]


async def test_a_right_share_passes_and_one_that_is_5_points_off_fails(router: Start) -> None:
    seen, right = await look(router().port, TEN)
    assert right.truth is True
    assert seen.record["users"].startswith("1,163 users")  # type: ignore[attr-defined]
    _, wrong = await look(router("--fault", "off").port, TEN)
    assert wrong.truth is False
    assert "share.microservice is 1" in wrong.reason
    assert wrong.bound == "== 10%"


async def test_ten_thousand_users_take_a_few_seconds(router: Start) -> None:
    port = router().port
    began = time.monotonic()
    seen, _ = await look(port, "users: 10000")
    assert time.monotonic() - began < 10
    assert seen.values["users"] == 10_000
    assert seen.values["failed"] == 0
    assert sum(seen.values["counts"].values()) == 10_000  # type: ignore[attr-defined]


async def test_at_all_and_none_one_user_elsewhere_is_too_many(router: Start) -> None:
    everybody = "share: {monolith: 100%, microservice: 0%}, users: 2000"
    assert (await look(router("--percent", "0").port, everybody))[1].truth is True
    stray = router("--percent", "0", "--listed", "user-1234")
    seen, judgement = await look(stray.port, everybody)
    assert judgement.truth is False
    assert seen.values["counts"] == {"monolith": 1999, "microservice": 1}


async def test_listed_users_have_it_at_any_share(router: Start) -> None:
    listed = "users: [vip-1, vip-2], share: {microservice: 100%}"
    assert (await look(router("--percent", "0", "--listed", "vip-1,vip-2").port, listed))[1].truth is True
    assert (await look(router("--percent", "0", "--listed", "vip-1").port, listed))[1].truth is False


async def test_the_user_may_stand_anywhere_and_the_backend_too(router: Start) -> None:
    port = router("--listed", "u-1").port
    paths = "GET http://127.0.0.1:{}/users/{{{{ user }}}}", "POST http://127.0.0.1:{}/users/{{{{ user }}}}?a=1"
    for what in paths:
        seen, _ = await look(port, "users: 300, prefix: u-, backend: json.served.by, accept: [404]", what=what)
        assert seen.values["assigned"]["u-1"] == "microservice"  # type: ignore[index]
        assert seen.values["users"] == sum(seen.values["counts"].values()) == 300  # type: ignore[attr-defined]


async def test_a_user_stays_over_a_restart_or_is_told(router: Start) -> None:
    for fault, holds in (("", True), ("forgetful", False)):
        running = router("--percent", "50", "--fault", fault)
        before, _ = await look(running.port, "users: 500")
        running.end()
        running.start()
        seen, judgement = await look(running.port, "users: 500", "moved == 0", before.values["assigned"])
        assert judgement.truth is holds
        assert seen.values["compared"] == 500
        assert len(seen.record.get("moved for example", ())) == (0 if holds else 5)  # type: ignore[arg-type]


async def test_nobody_leaves_the_group_as_it_grows_or_is_told(router: Start) -> None:
    for fault, holds in (("", True), ("turncoat", False)):
        running = router("--percent", "1", "--fault", fault)
        before, _ = await look(running.port, "users: 5000, seed: 3")
        running.percent(50)
        seen, judgement = await look(
            running.port, "users: 5000, seed: 3", "left.microservice == 0", before.values["assigned"]
        )
        assert judgement.truth is holds
        assert seen.values["joined"]["microservice"] > 2000  # type: ignore[index]


async def test_a_user_who_wavers_is_seen_by_repeats(router: Start) -> None:
    steady, wavering = router().port, router("--fault", "unsteady").port
    assert (await look(steady, "users: 500, repeat: 3", "unsteady == 0"))[1].truth is True
    seen, judgement = await look(wavering, "users: 500, repeat: 3", "unsteady == 0")
    assert judgement.truth is False
    assert seen.values["users"] == 500
    assert seen.record["for example"]


@pytest.mark.parametrize(("fault", "counted"), [("failing", "failed"), ("silent", "unattributed")])
async def test_answers_that_fail_or_say_nothing_leave_it_open(router: Start, fault: str, counted: str) -> None:
    port = router("--fault", fault).port
    seen, judgement = await look(port, TEN)
    assert judgement.truth is None
    assert "of 1,163 users have no backend" in judgement.reason
    assert seen.values[counted] == seen.record["without a backend"]
    assert seen.record["examples"]
    assert (await look(port, f"{TEN}, missing: 2%"))[1].truth is True


async def test_nobody_there_is_the_targets_error_and_takes_no_time(router: Start) -> None:
    gone = router()
    gone.end()
    began = time.monotonic()
    seen, judgement = await look(gone.port, "users: 10000, share: {monolith: 100%}")
    assert time.monotonic() - began < 5
    assert (seen.seen, seen.error, judgement.truth) == (Seen.TARGET_ERROR, "refused", False)


async def test_what_is_not_answered_in_time_is_missing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"user-7\r\n" in head.lower():
                await reader.read()
                return
            writer.write(b"HTTP/1.1 200 OK\r\nX-Served-By: old\r\nContent-Length: 0\r\n\r\n")

    async with accepting(serve) as port:
        seen, judgement = await look(port, "share: {old: 100%}, users: 100, timeout: 500ms")
    assert seen.record["failed"] == {"timeout": 1}
    assert seen.record["examples"] == ["user-7: timeout"]
    assert judgement.truth is None


async def test_a_call_that_may_act_is_sent_once(router: Start) -> None:
    """The router closes each connection after 1,000 answers; what reads is asked again, what may act is not."""
    port = router().port
    seen, _ = await look(port, "users: 3000, connections: 1")
    assert seen.values["failed"] == 0


RPC = "split: shop.Items/Get, at: shop, users: 300, share: {new: 50%}, difference: 20%"


async def rpc(port: int, more: str) -> tuple[Observation, Judgement]:
    """The same over gRPC."""
    check = compile_check(f"{{{RPC}, {more}}}", vocabulary(), environment={})
    endpoint = Endpoint(name="grpc", scheme="grpc", host="127.0.0.1", port=port)
    reach = Reach(name="shop", service="shop", kind="", endpoints={"grpc": endpoint})
    seen = await PROBER.at_instance(check.call, reach, check.timeout_ns or 0)
    return seen, judge(check, seen, {})


async def test_over_grpc_by_message_or_metadata() -> None:
    by = (
        "metadata: {x-user: '{{ user }}'}, backend: metadata.x-served-by",
        "message: {name: '{{ user }}'}, backend: message.by",
    )
    async with serving() as (port, shop):
        (one, first), (other, second) = [await rpc(port, more) for more in by]
    assert first.truth is second.truth is True, (one.record, other.record)
    assert one.values["assigned"] == other.values["assigned"]
    assert shop.asked == 600


async def test_calls_that_fail_are_told_by_their_code() -> None:
    async with serving(failing=True) as (port, _):
        seen, judgement = await rpc(port, "message: {name: '{{ user }}'}, backend: message.by")
    assert seen.record["failed"] == {"RESOURCE_EXHAUSTED": 3}
    assert judgement.truth is None
    async with serving() as (port, _):
        seen, _ = await rpc(port, "message: {id: '{{ user }}'}, backend: message.by")
    assert seen.seen is Seen.PROBE_ERROR
    assert "id" in seen.message
