"""What containers show and what is done to them, where it is more than every platform promises."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import pytest
from streams import accepting

from seatrial.core import cgroups
from seatrial.core.errors import NotExercised, PlatformError, UsageError
from seatrial.core.platforms import Progress
from seatrial.core.stack import Instance, InstanceState, Limits
from seatrial.platforms.compose.address import EngineAddress
from seatrial.platforms.compose.apart import crowded

pytestmark = pytest.mark.docker
SOCKET = "/var/run/docker.sock"


def quiet(_: Progress) -> None:
    pass


async def collect(changes: AsyncIterator[Instance], into: list[Instance]) -> None:
    async for change in changes:
        into.append(change)  # noqa: PERF401 - what was told is kept when this is cancelled


async def test_a_project_with_a_job_limits_and_volumes_is_as_declared(bench, kit):
    web = kit.service(
        deploy={"resources": {"limits": {"cpus": "0.5", "memory": "64M", "pids": 40}}},
        volumes=[*kit.service()["volumes"], "data:/data"],
        depends_on={"migrate": {"condition": "service_completed_successfully"}},
        healthcheck={"test": ["CMD", "true"], "interval": "500ms"},
    )
    job = {"image": "debian:bookworm", "command": ["echo", "migrated"]}
    platform = await bench.platform(bench.file({"web": web, "migrate": job}, volumes={"data": {}}))
    seen: list[Progress] = []
    told: list[Instance] = []
    listening = asyncio.create_task(collect(platform.changes(), told))
    await platform.up(seen.append)
    listening.cancel()
    assert list(await platform.survey()) == [
        "web"
    ]  # a job is no service, but that it ended is told: who waited for it?
    before = told[: next(n for n, c in enumerate(told) if c.service == "web" and c.state is not InstanceState.DOWN)]
    assert [c.detail for c in before if c.service == "migrate"][-1] == "ended with exit status 0"
    assert {"web#1 starting", "migrate#1 ended", "web#1 health"} <= {f"{p.subject} {p.state}" for p in seen}
    first = await kit.one(platform, "web#1")
    declared, actual = platform.declared()["web"], await platform.actual(first)
    assert declared.limits == actual.limits == Limits(cpus=0.5, memory_bytes=64 << 20, pids=40)
    assert declared.health
    assert declared.ports == {8000: None}
    assert actual.ports == {8000: first.endpoints["http"].port}
    assert [v.target for v in declared.volumes] == ["/shop.pl", "/data"]
    assert {(v.target, v.read_only, v.kept) for v in actual.volumes} == {
        ("/shop.pl", True, True),
        ("/data", False, True),
    }
    assert actual.environment["WHO"] == "web"
    (part,) = await platform.parts()
    assert (part.subject, part.name) == ("web#1", kit.service()["image"])
    assert part.digest.startswith("sha256:")
    used = await platform.usage(first)
    assert used.processes == used.threads == 2
    reader, writer = await asyncio.open_connection("127.0.0.1", first.endpoints["http"].port)
    await kit.until(lambda: _connections(platform, "web#1"), "a connection is seen")
    writer.close()
    del reader
    result = await platform.execute(first, ["sh", "-c", "echo out; echo err >&2; exit 7"], 10**10)
    assert (result.exit_status, result.stdout, result.stderr) == (7, "out\n", "err\n")
    slow = await platform.execute(first, ["sleep", "60"], 300_000_000)
    assert slow.timed_out
    await kit.until(lambda: _processes(platform, first, 2), "what took too long was ended")


async def _connections(platform, name: str) -> bool:
    return (await platform.sockets())[name][0] >= 1


async def _processes(platform, instance, count: int) -> bool:
    return (await platform.usage(instance)).processes == count


async def test_secrets_that_compose_hands_on_reach_their_service_and_are_known(bench, kit, tmp_path):
    (tmp_path / "password").write_text("of-a-file\n")
    web = kit.service(
        secrets=["password", "key"], environment={"WHO": "web", "DB_PASSWORD_FILE": "/run/secrets/password"}
    )
    secrets = {"password": {"file": str(tmp_path / "password")}, "key": {"environment": "SHOP_KEY"}}
    platform = await bench.platform(bench.file({"web": web}, secrets=secrets), secrets=("SHOP_KEY",))
    await platform.up(quiet)
    result = await platform.execute(await kit.one(platform, "web#1"), ["sh", "-c", "cat /run/secrets/*"], 10**10)
    assert result.stdout == "value of SHOP_KEYof-a-file\n"
    assert {"value of SHOP_KEY", "of-a-file"} <= set(bench.told)


async def test_a_published_port_and_the_log_outlive_restarts(bench, kit):
    platform = await bench.platform(bench.file({"web": kit.service()}))
    await platform.up(quiet)
    before = await kit.one(platform, "web#1")
    await platform.kill(before, 0)

    async def back() -> bool:
        now = await kit.one(platform, "web#1")
        return now.ready and now.restarts == 1

    await kit.until(back, "it was started again by its policy")
    assert (await kit.one(platform, "web#1")).endpoints == before.endpoints
    log = platform.log_file(before)
    await kit.until(lambda: log.read_text().count("shop listens on 8000 as web\n") == 2, "both starts are in its log")


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure", "no"])
async def test_a_crash_is_restarted_by_the_policy_and_an_operators_kill_by_none(bench, kit, policy):
    platform = await bench.platform(bench.file({"web": kit.service(restart=policy)}))
    await platform.up(quiet)
    before = await kit.one(platform, "web#1")
    await platform.kill(before, None)
    assert (await kit.one(platform, "web#1")).state is InstanceState.DOWN
    await platform.release(before)

    async def ready() -> bool:
        return (await kit.one(platform, "web#1")).ready

    await kit.until(ready, "it runs after its release")
    crashed = await kit.one(platform, "web#1")
    assert (crashed.restarts, crashed.identity != before.identity) == (0, True)
    await platform.kill(crashed, 0)
    if policy == "no":
        down = await kit.one(platform, "web#1")
        assert (down.state, down.detail) == (InstanceState.DOWN, "ended with exit status 137")
        return
    await kit.until(ready, "its policy starts it again")
    assert (await kit.one(platform, "web#1")).restarts == 1


async def test_what_does_not_come_up_is_said_with_composes_words_and_the_log(bench, kit):
    sick = kit.service(
        healthcheck={"test": ["CMD-SHELL", "echo no database; exit 1"], "interval": "200ms", "retries": 2}
    )
    front = kit.service(depends_on={"web": {"condition": "service_healthy"}})
    platform = await bench.platform(bench.file({"web": sick, "front": front}))
    with pytest.raises(PlatformError) as error:
        await platform.up(quiet)
    text = str(error.value)
    assert "docker compose up ended with status 1: dependency failed to start" in text
    assert "web#1 is running" in text
    assert "its health check said: no database" in text
    assert "| shop listens on 8000" in text


async def test_what_ends_for_good_fails_at_once(bench, kit):
    broken = kit.service(command=["sh", "-c", "echo bad settings; exit 3"], restart="no", ports=[])
    platform = await bench.platform(bench.file({"web": broken}))
    began = time.monotonic()
    with pytest.raises(PlatformError, match="web did not become ready: web#1 ended with exit status 3; not restarted"):
        await platform.up(quiet)
    assert time.monotonic() - began < 30


async def test_a_service_that_is_meant_to_end_is_a_job(bench, kit):
    once = {"image": "debian:bookworm", "command": ["true"]}
    platform = await bench.platform(bench.file({"once": once}))
    with pytest.raises(PlatformError, match=r"say so in the compose file: once: \{x-seatrial: \{job: true\}\}"):
        await platform.up(quiet)
    platform = await bench.platform(bench.file({"once": {**once, "x-seatrial": {"job": True}}, "web": kit.service()}))
    await platform.up(quiet)
    assert list(await platform.survey()) == ["web"]


async def test_an_instance_that_gets_unwell_is_not_ready_until_it_is_well_again(bench, kit):
    check = {"test": ["CMD-SHELL", "test ! -e /tmp/sick"], "interval": "300ms", "retries": 1}
    platform = await bench.platform(bench.file({"web": kit.service(healthcheck=check)}))
    await platform.up(quiet)
    web = await kit.one(platform, "web#1")
    for words, ready in ((["touch", "/tmp/sick"], False), (["rm", "/tmp/sick"], True)):
        assert (await platform.execute(web, words, 10**10)).exit_status == 0

        async def so(ready: bool = ready) -> bool:
            return (await kit.one(platform, "web#1")).ready is ready

        await kit.until(so, f"ready is {ready}")
        now = await kit.one(platform, "web#1")
        assert (now.state, now.restarts, now.identity) == (InstanceState.RUNNING, 0, web.identity)


async def test_composes_own_mistakes_are_passed_on(bench, kit):
    platform = await bench.platform(bench.file({"web": kit.service(restart=["never"])}))
    with pytest.raises(UsageError, match=r"services\.web\.restart must be a string"):
        await platform.up(quiet)


@contextlib.asynccontextmanager
async def elsewhere() -> AsyncIterator[tuple[EngineAddress, set[asyncio.StreamWriter]]]:
    """The engine behind a TCP port, as a remote one is, and its open connections."""
    open_: set[asyncio.StreamWriter] = set()

    async def pour(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(1 << 16):
                to.write(part)
                await to.drain()
            if to.can_write_eof():
                to.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(SOCKET)
        open_.update((writer, their_writer))
        await asyncio.gather(pour(reader, their_writer), pour(their_reader, writer))
        for each in (writer, their_writer):
            each.close()
            open_.discard(each)

    async with accepting(serve) as port:
        yield EngineAddress(url=f"tcp://127.0.0.1:{port}"), open_


async def test_a_remote_engine_allows_what_needs_no_rights_on_its_machine(bench, kit):
    async with elsewhere() as (address, _):
        platform = await bench.platform(bench.file({"web": kit.service()}), address=address)
        await platform.up(quiet)
        web = await kit.one(platform, "web#1")
        assert web.identity is not None
        assert web.identity.startswith("container ")
        assert (await platform.look(web)).alive
        with pytest.raises(NotExercised, match="run seatrial on that machine, as root"):
            await platform.kill(web, 0)
        await platform.pause(web)
        seen = await platform.look(web)
        assert (seen.alive, seen.stopped, seen.answers) == (True, True, False)
        await platform.release(web)
        await platform.kill(web, None)
        assert not (await platform.look(web)).alive
        await platform.release(web)

        async def ready() -> bool:
            return (await kit.one(platform, "web#1")).ready

        await kit.until(ready, "it runs after its release")
        now = await kit.one(platform, "web#1")
        assert (await platform.usage(now)).processes == 2
        result = await platform.execute(now, ["cat"], 10**10, stdin="told")
        assert (result.exit_status, result.stdout) == (0, "told")
        assert platform.clock.moment(time.time_ns()).bound_ns < 200_000_000
        assert not await platform.down()
        assert kit.belongings(bench.project(platform)) == []


async def test_a_break_in_the_events_loses_nothing(bench, kit):
    async with elsewhere() as (address, connections):
        platform = await bench.platform(bench.file({"web": kit.service()}), address=address)
        await platform.up(quiet)
        web = await kit.one(platform, "web#1")
        for writer in list(connections):
            writer.transport.abort()
        kit.docker("kill", f"{bench.project(platform)}-web-1")

        async def down() -> bool:
            return (await kit.one(platform, "web#1")).state is InstanceState.DOWN

        await kit.until(down, "what happened during the break is known")
        await platform.release(web)
        assert not await platform.down()


async def test_another_machines_engine_has_to_be_allowed(bench, kit):
    address = EngineAddress(url="ssh://deploy@shop.test")
    platform = await bench.platform(bench.file({"web": kit.service()}), address=address)
    with pytest.raises((UsageError, PlatformError)) as error:
        await platform.up(quiet)
    assert "shop.test" in str(error.value)
    assert "does not allow it" in str(error.value)


async def test_a_trial_does_not_weigh_more_than_the_stack(bench, kit):
    """All containers weigh no more than one process of ours where the engine is not systemd's: ours get a group of the same weight."""
    before = cgroups.group_of(os.getpid(), "cpu")
    platform = await bench.platform(bench.file({"web": kit.service()}))
    await platform.up(quiet)
    keeper, own = bench.made[-1][1].keeper, cgroups.group_of(os.getpid(), "cpu")
    container = cgroups.group_of((await platform.leader(await kit.one(platform, "web#1"))).pid, "cpu")
    if not crowded(before, container) and before == own:
        pytest.skip("this engine's containers have a slice beside that of the tests already")
    assert own.path == before.path / f"seatrial-{bench.made[-1][1].directory.name}"
    assert cgroups.group_of(keeper.pid, "cpu") == own
    assert not crowded(own, container)
    await platform.down()
    assert cgroups.group_of(os.getpid(), "cpu") == before
    assert not own.path.exists()
