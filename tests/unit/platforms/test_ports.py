from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.core import procfs
from seatrial.core.errors import PlatformError
from seatrial.platforms.ports import Ports, candidate_ports, is_free, listener, runtime_directory


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_allocated_ports_are_outside_the_ephemeral_range_and_differ(tmp_path):
    ports = Ports(tmp_path / "ports")
    found = [ports.allocate() for _ in range(20)]
    assert len(set(found)) == 20
    low, high = (int(w) for w in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(not low <= port <= high for port in found)
    assert all(is_free(port) for port in found)
    assert set(ports.held) == set(found)


@pytest.mark.parametrize(
    ("ephemeral", "expected"),
    [
        ("32768 60999", (15000, 32767)),
        ("10000 40000", (40001, 65535)),
        ("1024 65535", (15000, 65535)),  # nothing is outside
        ("nonsense", (15000, 32767)),
    ],
)
def test_candidates_avoid_the_ephemeral_range_where_they_can(tmp_path, monkeypatch, ephemeral, expected):
    file = tmp_path / "range"
    file.write_text(ephemeral)
    monkeypatch.setattr("seatrial.platforms.ports._EPHEMERAL", file)
    found = candidate_ports()
    assert (found[0], found[-1]) == expected


def test_a_port_that_somebody_listens_on_is_not_free_and_its_holder_is_named(tmp_path, listening):
    assert not is_free(listening)
    assert listener(listening).endswith(f"(pid {os.getpid()})")
    with pytest.raises(PlatformError, match=rf"web wants port {listening}, which is in use by .*\(pid {os.getpid()}\)"):
        Ports(tmp_path / "ports").take(listening, "web")


def test_a_port_whose_connections_linger_is_free(listening):
    # Connected and closed from the server's side: TIME_WAIT on the port.
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()
            client.recv(1)
    assert is_free(port)


def test_a_held_port_is_refused_to_others_and_free_again_after_release(tmp_path):
    one, other = Ports(tmp_path / "ports"), Ports(tmp_path / "ports")
    port = one.allocate()
    assert one.take(port, "web") == port
    with pytest.raises(PlatformError, match="which another stack holds"):
        other.take(port, "web")
    one.release()
    assert one.held == ()
    assert other.take(port, "web") == port


def test_a_port_that_was_taken_over_is_not_given_back(tmp_path):
    dead = subprocess.Popen(["sleep", "0"])
    gone = Ports(tmp_path / "ports", owner=procfs.identify(dead.pid))
    dead.wait()
    port = gone.allocate()
    Ports(tmp_path / "ports").take(port, "web")
    gone.release()
    with pytest.raises(PlatformError, match="which another stack holds"):
        Ports(tmp_path / "ports").take(port, "web")


def test_trials_with_different_tmpdirs_see_each_others_locks(tmp_path, monkeypatch):
    before = runtime_directory()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert runtime_directory() == before


def test_what_a_dead_process_held_is_taken_over(tmp_path):
    dead = subprocess.Popen(["sleep", "0"])
    identity = procfs.identify(dead.pid)
    dead.wait()
    gone = Ports(tmp_path / "ports", owner=identity)
    port = gone.allocate()
    assert Ports(tmp_path / "ports").take(port, "web") == port


def test_a_reused_pid_does_not_keep_a_port(tmp_path):
    port = Ports(tmp_path / "ports").allocate()
    lock = tmp_path / "ports" / str(port)
    boot, pid, started = str(lock.readlink()).split(":")
    lock.unlink()
    lock.symlink_to(f"{boot}:{pid}:{int(started) + 1}")
    assert Ports(tmp_path / "ports").take(port, "web") == port


@pytest.mark.parametrize("content", ["nothing", "a:b:c", "boot:1", None])
def test_a_damaged_lock_is_taken_over(tmp_path, content):
    lock = tmp_path / "ports" / "15555"
    lock.parent.mkdir()
    lock.touch() if content is None else lock.symlink_to(content)
    ports = Ports(tmp_path / "ports")
    if is_free(15555):
        assert ports.take(15555, "web") == 15555


def test_processes_that_allocate_together_get_different_ports(tmp_path):
    code = (
        "import sys, pathlib\n"
        "from seatrial.platforms.ports import Ports\n"
        "ports = Ports(pathlib.Path(sys.argv[1]))\n"
        "print(*(ports.allocate() for _ in range(30)), flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "ports")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [port for process in both for port in process.stdout.readline().split()]
    for process in both:
        process.communicate()
    assert len(found) == len(set(found)) == 60


def test_the_runtime_directory_is_this_users_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("seatrial.platforms.ports._TEMPORARY", tmp_path)
    monkeypatch.setattr("seatrial.platforms.ports.os.getuid", lambda: 123456)
    foreign = tmp_path / "seatrial-123456"
    foreign.mkdir()
    with pytest.raises(PlatformError, match="is not a directory of this user's alone"):
        runtime_directory()
