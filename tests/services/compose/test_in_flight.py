"""An order to the engine that is still on its way when it is to be undone comes about all the same: nothing of it may stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from seatrial.core import cgroups, procfs
from seatrial.keeper.client import last_keeper
from seatrial.platforms.compose import removal
from seatrial.platforms.compose.address import EngineAddress

pytestmark = pytest.mark.docker
SOCKET = "/var/run/docker.sock"
LOOKS = 3  # of whoever undoes it, before the order goes on
BYTES, CORES, COUNT = 64 << 20, 0.5, 50
DEEDS = {
    "memory": ("/update", f'platform.constrain(web, "memory", {{"size": {BYTES}}})'),
    "cpu": ("/update", f'platform.constrain(web, "cpu", {{"cores": {CORES}}})'),
    "pids": ("/update", f'platform.constrain(web, "pids", {{"count": {COUNT}}})'),
    "disconnect": ("/disconnect", 'platform.impair_network(web, "disconnect", {})'),
    "pause": ("/pause", "platform.pause(web)"),
}
# An owner that adopts a project, does something to it, and waits to be killed.
OWNER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import Bench
from seatrial.platforms.compose.address import EngineAddress

async def main():
    address = EngineAddress(url=f"unix://{sys.argv[4]}")
    platform = await Bench(Path(sys.argv[2])).platform(Path(sys.argv[3]), name=sys.argv[5], adopt=True, address=address)
    await platform.up(lambda p: None)
    web = (await platform.survey())["web"].instances[0]
    await eval(sys.argv[6])

asyncio.run(main())
"""


class Gate:
    """A socket before the engine's: one order is held back until `open`, and goes on though whoever gave it has gone."""

    def __init__(self, path: Path, order: str) -> None:
        self.path, self._order = path, order
        self.held, self.open, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.looks = 0  # at a container, while the order is held back

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine, to_engine = await asyncio.open_unix_connection(SOCKET)
        back: asyncio.Task[None] | None = None
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").lower().splitlines()
                length = next((int(f.split(":")[1]) for f in fields if f.startswith("content-length:")), 0)
                request = head + await reader.readexactly(length)
                if self.held.is_set() and line.startswith("get /containers/") and "/json " in line:
                    self.looks += 1
                if line.startswith("post ") and self._order in line and not self.held.is_set():
                    self.held.set()
                    await self.open.wait()
                    await self._let_go(request, writer)
                    continue
                to_engine.write(request)
                back = back or asyncio.create_task(_pour(engine, writer))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if back is not None:
                back.cancel()
            to_engine.close()
            writer.close()

    async def _let_go(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        engine, to_engine = await asyncio.open_unix_connection(SOCKET)
        to_engine.write(request)
        answer = await engine.read(1 << 16)
        to_engine.close()
        self.answered.set()
        with suppress(OSError):
            writer.write(answer)
            await writer.drain()


async def _pour(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(1 << 16):
            to.write(part)
            await to.drain()


@asynccontextmanager
async def gate(directory: Path, order: str) -> AsyncIterator[Gate]:
    gate = Gate(directory / f"gate{len(list(directory.iterdir()))}", order)
    server = await asyncio.start_unix_server(gate.serve, gate.path)
    try:
        yield gate
    finally:
        gate.open.set()
        server.close()


def wrong(docker: Callable[..., str], name: str) -> list[str]:
    """What of all these deeds is to be seen at a container."""
    details = json.loads(docker("inspect", name))[0]
    host, state = details["HostConfig"], details["State"]
    found = [] if state["Status"] == "running" else [state["Status"]]
    found += [] if details["NetworkSettings"]["Networks"] else ["disconnected"]
    found += ["memory noted"] if host["Memory"] == BYTES else []
    found += ["cpu noted"] if host["NanoCpus"] or host["CpuQuota"] > 0 else []
    found += ["pids noted"] if host["PidsLimit"] == COUNT else []
    limits = {"memory": cgroups.memory_limit, "cpu": cgroups.cpu_limit, "pids": cgroups.pids_limit}
    for controller, limit in limits.items():
        group = cgroups.group_of(state["Pid"], controller)
        assert group is not None
        if limit(group) in (BYTES, CORES, COUNT):
            found.append(f"{controller} held")
    return found


async def test_what_was_on_its_way_when_seatrial_was_killed_does_not_stay(bench, kit, project, tmp_path):
    file = bench.file({"web": kit.service()})
    name = project(file)
    for deed, (order, words) in DEEDS.items():
        directory = tmp_path / deed
        directory.mkdir()
        async with gate(tmp_path, order) as held:
            arguments = [str(Path(__file__).parent), str(directory), str(file), str(held.path), name, words]
            owner = await asyncio.create_subprocess_exec(kit.python, "-c", OWNER, *arguments)
            await asyncio.wait_for(held.held.wait(), 60)
            owner.kill()
            await owner.wait()
            _, keeper, _ = last_keeper(directory / "trial-0")

            def gone(keeper=keeper) -> bool:
                return not procfs.is_alive(keeper)

            await kit.until(lambda held=held, gone=gone: held.looks >= LOOKS or gone(), f"{deed}: it is being undone")
            held.open.set()
            await asyncio.wait_for(held.answered.wait(), 20)
            await kit.until(gone, "the keeper has ended", 60)
        assert wrong(kit.docker, f"{name}-web-1") == [], deed


async def test_what_was_on_its_way_when_its_giver_was_cancelled_does_not_stay(bench, kit, project, tmp_path):
    file = bench.file({"web": kit.service()})
    name = project(file)
    for deed, (order, words) in DEEDS.items():
        if deed == "pause":  # ended by whoever began it: see Acts.release
            continue
        async with gate(tmp_path, order) as held:
            address = EngineAddress(url=f"unix://{held.path}")
            platform = await bench.platform(file, name=name, adopt=True, address=address)
            await platform.up(lambda _: None)
            scope = {"platform": platform, "web": await kit.one(platform, "web#1")}
            task = asyncio.create_task(eval(words, scope))
            await asyncio.wait_for(held.held.wait(), 60)
            task.cancel()
            await asyncio.wait({task}, timeout=1)  # it is done where nobody waits for what is on its way
            held.open.set()
            await asyncio.wait_for(held.answered.wait(), 20)
            await asyncio.wait({task})
            assert wrong(kit.docker, f"{name}-web-1") == [], deed
            assert not await platform.down()


async def test_a_limit_that_a_start_took_along_is_lifted_though_the_engine_has_noted_none(bench, kit, project):
    """Whoever was killed had given the limits back while the container was being started with those from before."""
    name = project(file := bench.file({"web": kit.service()}))
    platform = await bench.platform(file, name=name, adopt=True)
    await platform.up(lambda _: None)
    details = json.loads(kit.docker("inspect", f"{name}-web-1"))[0]
    group = cgroups.group_of(details["State"]["Pid"], "pids")
    assert group is not None
    (group.path / "pids.max").write_text(str(COUNT))
    settings = {"asked": {"PidsLimit": COUNT}, "back": {"PidsLimit": -1}}
    address = EngineAddress(url=f"unix://{SOCKET}")
    assert await asyncio.to_thread(removal.update, address, details["Id"], json.dumps(settings), "10") == []
    assert cgroups.pids_limit(group) is None
    assert wrong(kit.docker, f"{name}-web-1") == []
