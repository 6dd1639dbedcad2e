"""Reading /proc, with this very process and its children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from seatrial.core import procfs
from seatrial.core.processes import ProcessId


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A shell with a child."""
    with subprocess.Popen(["sh", "-c", "sleep 1000 & wait"]) as process:
        wait_for(lambda: len(procfs.children(process.pid)) == 1)
        yield process
        for pid in (*procfs.children(process.pid), process.pid):
            os.kill(pid, signal.SIGKILL)


def wait_for(condition: object, patience_s: float = 10) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_stat_line_agrees_with_psutil(family: subprocess.Popen[bytes]) -> None:
    stat = procfs.read_stat(family.pid)
    other = psutil.Process(family.pid)
    assert stat is not None
    assert (stat.name, stat.parent, stat.session, stat.threads) == ("sh", os.getpid(), os.getsid(family.pid), 1)
    ticks = os.sysconf("SC_CLK_TCK")
    assert stat.started / ticks + psutil.boot_time() == pytest.approx(other.create_time(), abs=1.5)
    assert not stat.dead
    assert not stat.stopped


def test_a_name_with_parentheses_and_spaces_does_not_confuse() -> None:
    script = "import ctypes,sys; ctypes.CDLL(None).prctl(15, b') S 1 (x', 0, 0, 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = procfs.read_stat(process.pid)
        assert stat is not None
        assert (stat.name, stat.parent) == (") S 1 (x", os.getpid())
        process.communicate()


def test_identity_is_pid_and_start_and_boot(family: subprocess.Popen[bytes]) -> None:
    process = procfs.identify(family.pid)
    assert process is not None
    assert procfs.is_alive(process)
    assert procfs.state(process) in ("S", "R")
    for other in (
        ProcessId(boot=process.boot, pid=process.pid, started=process.started + 1),
        ProcessId(boot="another", pid=process.pid, started=process.started),
    ):
        assert not procfs.is_alive(other)
        assert procfs.state(other) is None


def test_a_zombie_is_dead_and_a_stopped_process_is_not() -> None:
    with subprocess.Popen(["sleep", "1000"]) as child:
        process = procfs.identify(child.pid)
        assert process is not None
        child.send_signal(signal.SIGSTOP)
        wait_for(lambda: procfs.state(process) == "T")
        assert procfs.is_alive(process)
        child.kill()
        wait_for(lambda: procfs.state(process) == "Z")
        assert not procfs.is_alive(process)
        assert procfs.descendants([process]) == ()
    assert procfs.identify(child.pid) is None


def test_descendants_come_after_their_parents(family: subprocess.Popen[bytes]) -> None:
    root = procfs.identify(family.pid)
    assert root is not None
    found = procfs.descendants([root])
    assert [process.pid for process in found] == [family.pid, *procfs.children(family.pid)]
    assert procfs.descendants([root, *found]) == found


def test_both_ways_to_find_children_agree(family: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    root = procfs.identify(os.getpid())
    assert root is not None
    listed = set(procfs.descendants([root]))
    children = set(procfs.children(os.getpid()))
    monkeypatch.setattr(procfs, "_kernel_lists_children", lambda: False)
    assert set(procfs.descendants([root])) == listed
    assert set(procfs.children(os.getpid())) == children


def test_listeners_and_their_sockets_are_found() -> None:
    for family_, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 0), family=family_) as server:
            port = server.getsockname()[1]
            inode = os.fstat(server.fileno()).st_ino
            assert procfs.listeners()[port] == {inode}
            assert inode in procfs.socket_inodes(os.getpid())
        assert port not in procfs.listeners()


def test_a_new_process_changes_the_last_pid() -> None:
    before = procfs.last_pid()
    subprocess.run(["true"], check=True)
    assert procfs.last_pid() != before


def test_what_is_not_there_is_answered_quietly() -> None:
    nobody = 1 << 22
    assert procfs.read_stat(nobody) is None
    assert procfs.identify(nobody) is None
    assert procfs.children(nobody) == ()
    assert procfs.socket_inodes(nobody) == frozenset()


@pytest.mark.parametrize(("kind", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_that_nobody_accepts_are_counted_at_their_port(kind: int, host: str) -> None:
    with socket.create_server((host, 0), family=kind, backlog=20) as server, contextlib.ExitStack() as clients:
        port = server.getsockname()[1]
        assert procfs.tcp_connections([port]) == {port: (0, 0)}
        for _ in range(7):
            clients.enter_context(socket.create_connection((host, port)))
        assert procfs.tcp_connections([port, 1]) == {port: (7, 7)}
        for _ in range(3):
            clients.enter_context(server.accept()[0])
        assert procfs.tcp_connections([port]) == {port: (7, 4)}
    assert procfs.tcp_connections([port]) == {}
