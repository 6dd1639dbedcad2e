from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from seatrial.core import procfs
from seatrial.core.stack import Endpoint
from seatrial.platforms.inspection import accepts_connection, identity_of, log_tail, look, process_of, usage_of

FAMILY = """
import os, subprocess, sys, time
busy = "import time; end = time.process_time() + 0.3\\nwhile time.process_time() < end: pass"
subprocess.run([sys.executable, "-c", busy])
child = subprocess.Popen(["sleep", "100"])
hoard = bytearray(os.urandom(1 << 20) * 20)
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def family():
    """A process that has had a busy child, has another one, and 20 MiB of its own."""
    process = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"ready\n"
    leader = procfs.identify(process.pid)
    yield leader
    for member in procfs.descendants([leader]):
        os.kill(member.pid, signal.SIGKILL)
    process.communicate()


def test_an_identity_names_its_process_and_nothing_else_does(family):
    assert process_of(identity_of(family)) == family
    assert process_of("container 0123abc") is None
    assert process_of("") is None


def test_usage_counts_all_processes_and_children_that_have_ended(family):
    usage = usage_of(family)
    assert usage.processes == 2
    assert usage.threads == 2
    assert usage.cpu_seconds >= 0.29
    assert 20 << 20 <= usage.memory_bytes < 60 << 20
    assert usage.descriptors >= 4


def test_usage_of_what_has_gone_is_nothing(family):
    gone = type(family)(boot=family.boot, pid=family.pid, started=family.started + 1)
    assert usage_of(gone) is None


async def test_looking_sees_a_living_a_stopped_and_a_dead_process(family):
    sighting = await look(family, None, None)
    assert (sighting.alive, sighting.stopped, sighting.accepts) == (True, False, None)
    assert sighting.identity == identity_of(family)
    members = procfs.descendants([family])
    os.kill(members[0].pid, signal.SIGSTOP)
    assert not (await look(family, None, None)).stopped  # its child still runs
    os.kill(members[1].pid, signal.SIGSTOP)
    while {procfs.state(member) for member in members} != {"T"}:
        pass
    assert (await look(family, None, None)).stopped
    for member in members:
        os.kill(member.pid, signal.SIGKILL)
    while any(procfs.is_alive(member) for member in members):
        pass
    sighting = await look(family, None, None)
    assert (sighting.alive, sighting.identity, sighting.stopped) == (False, None, False)
    assert sighting.detail == f"pid {family.pid} has gone"


async def test_looking_for_a_process_that_was_replaced_finds_the_new_one(family):
    old = type(family)(boot=family.boot, pid=family.pid, started=family.started - 1)
    sighting = await look(old, family, None)
    assert sighting.identity == identity_of(family)
    assert "has gone" in sighting.detail


async def test_a_connection_is_accepted_refused_or_given_up():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        endpoint = Endpoint(name="x", scheme="tcp", host="127.0.0.1", port=server.getsockname()[1])
        assert not await accepts_connection(endpoint, 250_000_000)
        server.listen()
        assert await accepts_connection(endpoint, 250_000_000)


def test_the_tail_of_a_log_is_its_last_lines(tmp_path):
    log = tmp_path / "log"
    assert log_tail(log) == ()
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert log_tail(log, 2) == ["line 9998", "line 9999"]
    log.write_bytes(b"\xff broken\n")
    assert log_tail(log) == ["\ufffd broken"]
