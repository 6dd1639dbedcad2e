"""A workload over a client, against a server that speaks a little of Redis and is well, slow, broken and gone."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from streams import accepting
from workload_support import SCHEDULE, run

from seatrial.arrivals.errors import ERRORS
from seatrial.arrivals.records import FAIL, NOT_SENT, OK, UNKNOWN, read
from seatrial.core.errors import SeatrialError
from seatrial.workloads.process import WorkloadProcess
from seatrial.workloads.requests import OperationPattern


class Server:
    """Does what the first word says, after `role`; counts the keys it was sent and the connections it had."""

    def __init__(self, role: str = "master", offset: int = 7) -> None:
        self.role = role
        self.offset = offset
        self.keys: Counter[str] = Counter()
        self.connections = 0
        self.port = 0
        self._served = AsyncExitStack()

    async def start(self) -> None:
        self.port = await self._served.enter_async_context(accepting(self._serve, port=self.port))

    async def close(self) -> None:
        await self._served.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while count := await reader.readline():
            words = []
            for _ in range(int(count[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            if not await self._answer(words, writer):
                return

    async def _answer(self, words: list[str], writer: asyncio.StreamWriter) -> bool:
        match words[0]:
            case "CLIENT":
                writer.write(b"+OK\r\n")
            case "ROLE":
                name = self.role.encode()
                writer.write(b"*2\r\n$%d\r\n%s\r\n:%d\r\n" % (len(name), name, self.offset))
            case _ if self.role == "slave":
                writer.write(b"-READONLY You can't write against a read only replica.\r\n")
            case "OK":
                self.keys[words[1]] += 1
                writer.write(b":1\r\n")
            case "BAD":
                writer.write(b"-WRONGTYPE Operation against a key\r\n")
            case "HANG":
                self.keys[words[1]] += 1
            case "DROP":
                self.keys[words[1]] += 1
                return False
        return True


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.start()
    yield made
    await made.close()


def config(servers: list[Server], file: Path, what: str, **more: object) -> dict[str, object]:
    return {
        "name": "w", "verb": "redis", "file": str(file), "urls": [f"redis://127.0.0.1:{s.port}" for s in servers], "what": what,
        "arguments": {}, "parameters": {}, "schedule": SCHEDULE, "seed": 1, "timeout_ns": 500_000_000,
        "in_flight": 64, "retries": 0, "resend": 0.0, "prefix": "p-", **more,
    }  # fmt: skip


def codes(records) -> set[str]:
    return {ERRORS[e] for e in records["error"]}


async def test_every_operation_is_recorded_and_arrives_once_on_few_connections(server: Server, tmp_path: Path) -> None:
    records, sealed = await run(config([server], tmp_path / "x.ops", "OK {{ op.id }}"))
    assert (records["status"] == OK).all()
    assert server.keys == Counter({f"p-{n}": 1 for n in range(25)})
    assert server.connections < 15  # a machine that is busy is slow to answer
    assert sealed.note == ""


@pytest.mark.parametrize(
    ("what", "status", "errors"),
    [
        ("BAD {{ op.id }}", FAIL, {"reply"}),
        ("DROP {{ op.id }}", UNKNOWN, {"closed", "reset"}),
        ("HANG {{ op.id }}", UNKNOWN, {"timeout"}),
    ],
)
async def test_what_may_have_happened_is_unknown(
    server: Server, tmp_path: Path, what: str, status: int, errors: set[str]
) -> None:
    records, sealed = await run(config([server], tmp_path / "x.ops", what))
    assert set(records["status"].tolist()) == {status}
    assert codes(records) <= errors
    assert len(records) == 25
    assert sealed.note.startswith("25x ")  # in words, what went wrong


async def test_a_record_says_how_long_a_silent_server_was_waited_for(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config([server], tmp_path / "x.ops", "HANG {{ op.id }}"))
    waited = (records["done"] - records["intended"]) / 1e6
    assert (waited > 490).all()
    assert (waited < 1000).all()


async def test_what_was_refused_has_not_happened(server: Server, tmp_path: Path) -> None:
    settings = config([server], tmp_path / "x.ops", "OK {{ op.id }}")
    await server.close()
    records, _ = await run(settings)
    assert set(records["status"].tolist()) == {FAIL}
    assert codes(records) == {"refused"}


async def test_more_than_the_cap_is_not_sent(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config([server], tmp_path / "x.ops", "HANG {{ op.id }}", in_flight=3))
    assert (records["status"] == NOT_SENT).sum() == 22
    assert sum(server.keys.values()) == 3


async def test_a_retry_has_the_same_key_and_doubt_stays(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config([server], tmp_path / "x.ops", "DROP {{ op.id }}", retries=1))
    assert set(server.keys.values()) == {2}
    assert set(records["attempts"].tolist()) == {2}
    assert set(records["status"].tolist()) == {UNKNOWN}


async def test_an_acknowledged_operation_is_sent_again_when_asked(server: Server, tmp_path: Path) -> None:
    await run(config([server], tmp_path / "x.ops", "OK {{ op.id }}", resend=1.0))
    assert set(server.keys.values()) == {2}


async def test_of_several_the_master_is_found_and_found_again(tmp_path: Path) -> None:
    one, two = Server("slave"), Server("master")
    for server in (one, two):
        await server.start()
    try:
        schedule = {"steps": [[50, 1_000_000_000]]}
        worker = await WorkloadProcess.start(
            config([one, two], tmp_path / "x.ops", "OK {{ op.id }}", schedule=schedule)
        )
        async with asyncio.timeout(10):
            while sum(two.keys.values()) < 10:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.01)
            await two.close()
            one.role = "master"
            while sum(one.keys.values()) < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        records = read((await worker.stop()).file)
    finally:
        for server in (one, two):
            await server.close()
    acknowledged = {f"p-{r['number']}" for r in records if r["status"] == OK}
    assert acknowledged <= set(one.keys) | set(two.keys)
    assert (
        records["status"] != OK
    ).sum() <= 2  # what was in flight, and nothing else: idle connections were seen to be gone


async def test_of_two_that_call_themselves_master_the_one_that_is_further_on_is_used(tmp_path: Path) -> None:
    servers = [Server("master", 0), Server("master", 900), Server("slave", 900)]
    for server in servers:
        await server.start()
    try:
        records, _ = await run(config(servers, tmp_path / "x.ops", "OK {{ op.id }}"))
    finally:
        for server in servers:
            await server.close()
    assert (records["status"] == OK).all()
    assert [sum(s.keys.values()) for s in servers] == [0, len(records), 0]


async def test_where_only_replicas_answer_nothing_happens(tmp_path: Path) -> None:
    servers = [Server("slave"), Server("slave")]
    for server in servers:
        await server.start()
    try:
        records, sealed = await run(config(servers, tmp_path / "x.ops", "OK {{ op.id }}", timeout_ns=10_000_000_000))
    finally:
        for server in servers:
            await server.close()
    assert set(records["status"].tolist()) == {FAIL}
    assert codes(records) == {"refused"}
    assert "read only replica" in sealed.note


async def test_a_client_that_is_not_installed_is_told_by_its_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "hidden" / "redis"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('No module named redis', name='redis')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hidden.parent), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(SeatrialError, match=r"No module named redis: pip install .seatrial\[redis\]."):
        await WorkloadProcess.start(config([server], tmp_path / "x.ops", "OK {{ op.id }}"))


def test_a_parameter_that_is_a_place_keeps_its_type() -> None:
    given = {
        "parameters": ["{{ op.id }}", "{{ op.n }}", " {{op.n}} ", "n{{ op.n }}", 7, None, {"deep": ["{{ op.key }}"]}]
    }
    operation = OperationPattern("insert ... '{{ op.key }}'", given, "t-").of(5)
    assert operation.what == "insert ... 't-5'"
    assert operation.arguments["parameters"] == ["t-5", 5, 5, "n5", 7, None, {"deep": ["t-5"]}]
