"""What seatrial brought up goes, whatever ended it; what was there before stays, and is healed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.stack import InstanceState
from seatrial.keeper import undo
from seatrial.keeper.records import read_records
from seatrial.platforms.compose import removal
from seatrial.platforms.compose.address import USUAL, EngineAddress

pytestmark = pytest.mark.docker

# An owner that brings a project up, does something to it, says so, and waits to be killed.
OWNER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import Bench
from seatrial.keeper.records import read_records

async def main():
    directory, file, act, name = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5]
    bench = Bench(directory)
    options = {"name": name, "adopt": True} if name else {}
    platform = await bench.platform(file, **options)
    if act == "coming-up":
        print("ready", flush=True)
    await platform.up(lambda p: None)
    web = (await platform.survey())["web"].instances[0]
    if act == "pause":
        await platform.pause(web)
    elif act == "kill":
        await platform.kill(web, None)
    elif act == "stop":
        await platform.stop(web, None)
    elif act == "stopping":  # it has 3 s for it, and takes them
        asyncio.create_task(platform.stop(web, None))
        while not any("start web#1" in r.get("name", "") for r in read_records(directory / "trial-0")):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def owner(kit, directory: Path, file: Path, act: str, name: str = "") -> asyncio.subprocess.Process:
    words = (str(Path(__file__).parent), str(directory), str(file), act, name)
    process = await asyncio.create_subprocess_exec(
        kit.python, "-c", OWNER, *words, stdout=asyncio.subprocess.PIPE, stderr=None
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
    return process


def keeper_pid(directory: Path) -> int:
    return next(int(r["pid"]) for r in read_records(directory) if r["event"] == "keeper")


def project_of(directory: Path) -> str:
    from seatrial.platforms.compose.project import own_name

    return own_name("bench", directory)


@pytest.fixture
def file(bench, kit) -> Path:
    build = {"dockerfile_inline": "FROM debian:bookworm\nENV MADE=here\n"}
    web = kit.service(volumes=[*kit.service()["volumes"], "data:/data"], build=build, image="seatrial-test-web:latest")
    return bench.file({"web": web}, volumes={"data": {}})


@pytest.mark.parametrize("act", ["nothing", "coming-up", "pause"])
async def test_a_project_goes_when_seatrial_is_killed(bench, kit, file, tmp_path, act):
    directory = tmp_path / "owned"
    directory.mkdir()
    process = await owner(kit, directory, file, act)
    trial = directory / "trial-0"
    if act != "coming-up":
        assert len(kit.belongings(project_of(trial))) == 4  # a container, a network, a volume, an image
    process.kill()
    await process.wait()
    pid = keeper_pid(trial)
    await kit.until(lambda: not Path(f"/proc/{pid}").exists(), "the keeper has ended", 60)
    assert kit.belongings(project_of(trial)) == []
    assert not [line for r in read_records(trial) if r["event"] == "end" for line in r.get("others", [])]


async def test_undo_removes_what_is_left_when_the_keeper_was_killed_too(bench, kit, file, tmp_path):
    directory = tmp_path / "owned"
    directory.mkdir()
    process = await owner(kit, directory, file, "kill")
    trial = directory / "trial-0"
    os.kill(keeper_pid(trial), signal.SIGKILL)
    process.kill()
    await process.wait()
    assert kit.belongings(project_of(trial))
    report = await asyncio.to_thread(undo, trial)
    assert report.clean, report
    assert f"project {project_of(trial)}" in report.undone
    assert kit.belongings(project_of(trial)) == []
    assert not (trial / "stack").exists()  # there were secrets in it
    assert (await asyncio.to_thread(undo, trial)).clean


async def test_what_resists_is_said(bench, kit):
    platform = await bench.platform(bench.file({"web": kit.service()}))
    await platform.up(lambda _: None)
    name = bench.project(platform)
    foreign = kit.docker(
        "run", "--detach", "--rm", "--network", f"{name}_default", "debian:bookworm", "sleep", "600"
    ).strip()
    try:
        left = await asyncio.to_thread(
            removal.remove_project, EngineAddress(url=USUAL), name, str((bench.directory / "trial-0").resolve()), 1.0
        )
        [line] = left
        assert line.startswith(f"network {name}_default of project {name}: ")
        assert "active endpoints" in line
    finally:
        kit.docker("kill", foreign)
    assert not await platform.down()
    assert kit.belongings(name) == []


async def test_an_image_of_the_users_own_name_is_left_alone(bench, kit, file):
    kit.docker("tag", "debian:bookworm", "seatrial-test-web:latest")
    try:
        before = kit.docker("images", "--quiet", "seatrial-test-web:latest")
        platform = await bench.platform(file)
        await platform.up(lambda _: None)
        assert (await platform.actual(await kit.one(platform, "web#1"))).environment["MADE"] == "here"
        assert not await platform.down()
        assert kit.docker("images", "--quiet", "seatrial-test-web:latest") == before
        assert kit.belongings(bench.project(platform)) == []
    finally:
        kit.docker("rmi", "seatrial-test-web:latest")


async def test_what_compose_writes_to_build_from_goes_with_the_trial(bench, file, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    platform = await bench.platform(file)
    await platform.up(lambda _: None)
    assert not await platform.down()
    assert list(temporary.iterdir()) == []
    assert not (bench.directory / "trial-0" / "stack").exists()


async def test_images_are_made_before_anything_starts(bench, kit, file):
    """So that the time to come up is not that of a build."""
    platform = await bench.platform(file)
    said: list[str] = []
    await platform.prepare(lambda p: said.append(f"{p.subject} {p.state}"))
    assert said == ["images building"]
    name = bench.project(platform)
    assert kit.docker("images", "--quiet", "--filter", f"reference={name}*")
    assert not kit.docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={name}")
    await platform.up(lambda p: said.append(f"{p.subject} {p.state}"))
    assert said.count("images building") == 1
    assert not await platform.down()
    assert kit.belongings(name) == []


async def test_an_adopted_project_goes_on_and_is_healed(bench, kit, project, tmp_path):
    deaf = ["perl", "-e", "$$SIG{TERM} = 'IGNORE'; sleep 1000"]
    file = bench.file({"web": kit.service(command=deaf, ports=[], stop_grace_period="3s", **{"x-seatrial": {}})})
    name = project(file)
    directory = tmp_path / "owned"
    directory.mkdir()
    for act, wrong in (("pause", "paused"), ("stop", "exited"), ("stopping", "running")):
        process = await owner(kit, directory, file, act, name)
        assert kit.docker("ps", "--all", "--format", "{{.State}}", "--filter", f"name={name}-web-1").split() == [wrong]
        process.kill()
        await process.wait()

        def running() -> bool:
            shown = kit.docker("ps", "--all", "--format", "{{.State}}", "--filter", f"name={name}-web-1")
            return shown.split() == ["running"]

        pid = keeper_pid(directory / "trial-0")
        await kit.until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the keeper has ended", 60)
        assert running(), act
        (directory / "trial-0").rename(directory / act)
    platform = await bench.platform(file, name=name, adopt=True)
    await platform.up(lambda _: None)
    web = await kit.one(platform, "web#1")
    assert (web.state, web.ready) == (InstanceState.RUNNING, True)
    await platform.pause(web)
    assert not await platform.down()
    assert kit.docker("ps", "--format", "{{.State}}", "--filter", f"name={name}-web-1").split() == ["running"]


async def test_a_project_that_is_there_is_not_taken_over_unasked(bench, kit, project):
    file = bench.file({"web": kit.service()})
    name = project(file)
    platform = await bench.platform(file, name=name)
    with pytest.raises(UsageError, match=f"a project {name} is there already .{name}-web-1."):
        await platform.up(lambda _: None)
    assert not await platform.down()
    assert kit.docker("ps", "--quiet", "--filter", f"name={name}-web-1")


async def test_there_has_to_be_a_project_to_adopt(bench, kit):
    platform = await bench.platform(bench.file({"web": kit.service()}), name="nobody", adopt=True)
    with pytest.raises(UsageError, match="there is no project nobody to adopt"):
        await platform.up(lambda _: None)
