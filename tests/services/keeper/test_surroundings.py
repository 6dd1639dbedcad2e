"""Names of its own, and another user than root; each where this machine allows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from keeper_support import Trial

from seatrial.core.processes import Surroundings
from seatrial.keeper import KeeperClient

S = 1_000_000_000
HOSTS = {"database": "127.0.0.7", "cache.internal": "127.0.0.8"}
LOOK_UP = "id -u; getent ahostsv4 database | head -1; getent hosts localhost >/dev/null && echo local"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be dropped")


def surroundings(trial: Trial, *, unprivileged: bool = False) -> Surroundings:
    environment = {"PATH": os.environ["PATH"]}
    return Surroundings(directory=trial.directory, environment=environment, hosts=HOSTS, unprivileged=unprivileged)


async def test_names_resolve_in_a_unit_and_beside_it_and_nowhere_else(client: KeeperClient, trial: Trial) -> None:
    around = surroundings(trial)
    order = trial.shell("u", "exec sleep 1000")
    status = await client.start(type(order)(name="u", argv=order.argv, surroundings=around, log=order.log))
    result = await client.run(["sh", "-c", LOOK_UP], around, 10 * S)
    if not status.names_resolve:
        pytest.skip("namespaces are refused here")
    user, address, local = result.stdout.splitlines()
    assert (user, address.split()[0], local) == (str(os.geteuid()), "127.0.0.7", "local")
    assert "database" not in Path("/etc/hosts").read_text()
    plain = await client.run(["sh", "-c", LOOK_UP], trial.surroundings, 10 * S)
    assert "127.0.0.7" not in plain.stdout


async def test_without_names_to_resolve_nothing_is_missing(client: KeeperClient, trial: Trial) -> None:
    assert (await client.start(trial.shell("u", "exec sleep 1000"))).names_resolve


@needs_root
async def test_root_is_dropped_and_its_files_stay_its_own(client: KeeperClient, trial: Trial) -> None:
    result = await client.run(
        ["sh", "-c", f"{LOOK_UP}; echo mine > file && stat -c %u file"], surroundings(trial, unprivileged=True), 10 * S
    )
    assert result.stdout.splitlines()[0] == "65534"
    assert result.stdout.splitlines()[-1] == "65534", result
    assert (trial.directory / "file").stat().st_uid in (0, 65534)


IN_A_NAMESPACE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000): sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
print("unshared", flush=True)
sys.stdin.readline()
if sys.argv[1] == "refuse":
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
else:
    os.setgid(1000); os.setuid(1000)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[3]])
"""
RUN = """
import asyncio, os, pathlib, sys
from seatrial.core.processes import Surroundings, UnitOrder
from seatrial.keeper import KeeperClient
async def main():
    top = pathlib.Path(sys.argv[1])
    async with await KeeperClient.launch(top / "trial") as keeper:
        work = top / "trial" / "data" / "server"
        await keeper.claim(directories=[top / "trial" / "data"])
        work.mkdir()
        (work / "file").write_text("x")
        around = Surroundings(directory=work, environment={"PATH": os.environ["PATH"]},
                              hosts={"database": "127.0.0.7"}, unprivileged=True)
        script = "id -u; cat file; getent ahostsv4 database | head -1; touch new"
        result = await keeper.run(["sh", "-c", script], around, 10**10)
        order = UnitOrder(name="u", argv=["sleep", "1000"], surroundings=around, log=top / "trial" / "log")
        status = await keeper.start(order)
        await keeper.pause("u")
        await keeper.kill("u", None)
        residue = await keeper.end()
        print(repr((result.exit_status, result.stdout, result.stderr, status.names_resolve, bool(residue))))
asyncio.run(main())
"""


def _in_a_namespace(mode: str, directory: Path) -> tuple[int, str, str, bool, bool]:
    """Run RUN as another kind of user, which a user namespace of its own makes without harm to the machine."""
    with subprocess.Popen(
        [sys.executable, "-c", IN_A_NAMESPACE, mode, RUN, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "unshared\n":
            process.communicate()
            pytest.skip("user namespaces are refused here")
        users = "0 0 65536" if mode == "refuse" else "1000 0 1"
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text(users)
        out, _ = process.communicate("go\n", timeout=60)
    assert process.returncode == 0
    result: tuple[int, str, str, bool, bool] = eval(out)
    return result


@needs_root
def test_an_ordinary_user_has_names_too(tmp_path: Path) -> None:
    status, out, _, resolve, residue = _in_a_namespace("user", tmp_path)
    assert (status, resolve, residue) == (0, True, False)
    assert out.startswith("1000\nx127.0.0.7")


@needs_root
def test_where_user_namespaces_are_refused_root_becomes_nobody() -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        status, out, err, resolve, residue = _in_a_namespace("refuse", directory)
    assert (status, residue) == (0, False), err
    assert out.startswith("65534\nx")
    assert resolve == ("127.0.0.7" in out)
