"""Control groups of both versions, as files; the engine's statistics."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platforms.compose import usage
from seatrial.platforms.compose.places import UNIFIED, directories, parse_cgroup, parse_mounts
from seatrial.platforms.compose.usage import fields_of, from_cgroups, from_statistics, frozen

V1 = """\
12:cpu,cpuacct:/docker/abc
11:name=systemd:/docker/abc
4:memory:/docker/abc
0::/
"""
V2 = "0::/system.slice/docker-abc.scope\n"
MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/my\\040memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
nonsense
"""


def test_version_1_has_a_path_for_each_controller():
    found = parse_cgroup(V1)
    assert found == {
        "cpu": "/docker/abc",
        "cpuacct": "/docker/abc",
        "systemd": "/docker/abc",
        "memory": "/docker/abc",
        UNIFIED: "/",
    }


def test_version_2_has_one():
    assert parse_cgroup(V2) == {UNIFIED: "/system.slice/docker-abc.scope"}


def test_where_hierarchies_are_mounted():
    assert parse_mounts(MOUNTS) == {
        "rw": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "cpu": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "cpuacct": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "memory": Path("/sys/fs/cgroup/my memory"),
        UNIFIED: Path("/sys/fs/cgroup/unified"),
    }


@given(st.text())
def test_whatever_stands_there_is_no_error(text):
    parse_cgroup(text)
    parse_mounts(text)
    fields_of(text)


def test_this_very_process_is_somewhere():
    assert all(path.is_dir() for path in directories(os.getpid()).values())


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups as files: a mapping from controller to directory, for any process."""

    def make(**files: dict[str, str]) -> None:
        places = {}
        for controller, contents in files.items():
            place = places[UNIFIED if controller == "unified" else controller] = tmp_path / controller
            place.mkdir()
            for name, text in contents.items():
                (place / name).write_text(text)
        monkeypatch.setattr(usage, "directories", lambda pid: places)

    return make


def test_usage_by_version_1(groups):
    mine = f"{os.getpid()}\n"
    groups(
        cpuacct={"cpuacct.usage": "1500000000\n"},
        memory={
            "memory.usage_in_bytes": "5000\n",
            "memory.stat": "cache 9\ntotal_inactive_file 1000\n",
            "cgroup.procs": mine,
        },
        pids={"cgroup.procs": mine, "pids.current": "7\n"},
    )
    found = from_cgroups(1)
    assert found is not None
    assert (found.cpu_seconds, found.memory_bytes, found.threads, found.processes) == (1.5, 4000, 7, 1)
    assert found.descriptors >= 3


def test_usage_by_version_2(groups):
    groups(
        unified={
            "cpu.stat": "usage_usec 250000\nuser_usec 1\n",
            "memory.current": "900\n",
            "memory.stat": "inactive_file 1000\n",
            "cgroup.procs": "",
            "pids.current": "2\n",
        }
    )
    found = from_cgroups(1)
    assert found is not None
    assert (found.cpu_seconds, found.memory_bytes, found.threads, found.processes) == (0.25, 0, 2, 0)


def test_a_group_that_has_gone_shows_nothing(groups):
    groups(cpuacct={}, memory={})
    assert from_cgroups(1) is None


def test_a_frozen_group(groups):
    groups(freezer={"freezer.state": "FROZEN\n"})
    assert frozen(1) is True


def test_a_frozen_group_of_version_2(groups):
    groups(unified={"cgroup.events": "populated 1\nfrozen 1\n"})
    assert frozen(1) is True


def test_a_group_that_thaws_is_not_frozen(groups):
    groups(freezer={"freezer.state": "THAWED\n"})
    assert frozen(1) is False


def test_where_nothing_can_be_seen_nothing_is_said(groups):
    groups()
    assert frozen(1) is None
    assert from_cgroups(1) is None


def test_the_engines_own_statistics():
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_000_000_000}},
        "memory_stats": {"usage": 700, "stats": {"inactive_file": 200}},
        "pids_stats": {"current": 3},
    }
    found = from_statistics(stats, 2)
    assert (found.cpu_seconds, found.memory_bytes, found.threads, found.processes) == (2.0, 500, 3, 2)
    assert from_statistics({}, 0).memory_bytes == 0
