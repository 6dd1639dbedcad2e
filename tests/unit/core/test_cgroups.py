"""What files of control groups say, in both versions, and of groups within groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.core import cgroups
from seatrial.core.cgroups import Group

V1 = {
    "cpu": {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000", "cpu.stat": "nr_periods 9\nnr_throttled 4\n"},
    "memory": {
        "memory.limit_in_bytes": "104857600",
        "memory.usage_in_bytes": "62914560",
        "memory.stat": "cache 1\ninactive_file 5\ntotal_inactive_file 10485760\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    },
    "pids": {"pids.max": "20", "pids.current": "7", "pids.events": "max 3\n"},
}
V2 = {
    "cpu": {"cpu.max": "50000 100000", "cpu.stat": "nr_periods 9\nnr_throttled 4\n"},
    "memory": {
        "memory.max": "104857600",
        "memory.current": "62914560",
        "memory.stat": "anon 1\ninactive_file 10485760\n",
        "memory.events": "low 0\noom 3\noom_kill 2\n",
    },
    "pids": V1["pids"],
}
FREE = {
    False: {"cpu.cfs_quota_us": "-1", "memory.limit_in_bytes": "9223372036854771712", "pids.max": "max"},
    True: {"cpu.max": "max 100000", "memory.max": "max", "pids.max": "max"},
}


def written(path: Path, files: dict[str, str]) -> None:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)


@pytest.mark.parametrize(("unified", "files"), [(False, V1), (True, V2)])
def test_limits_hold_for_all_that_lies_within_and_figures_are_read(
    tmp_path: Path, unified: bool, files: dict[str, dict[str, str]]
) -> None:
    groups = {}
    for controller, own in files.items():
        root = tmp_path / controller
        written(root, own)
        written(root / "leaf", {n: FREE[unified].get(n, text) for n, text in own.items()})
        groups[controller] = Group(controller=controller, path=root / "leaf", root=root, unified=unified)
    assert cgroups.cpu_limit(groups["cpu"]) == 0.5
    assert cgroups.throttled(groups["cpu"]) == 4
    assert cgroups.memory_limit(groups["memory"]) == 100 << 20
    assert cgroups.memory_needed(groups["memory"]) == 50 << 20
    assert cgroups.memory_left(groups["memory"]) == 50 << 20
    assert cgroups.oom_kills(groups["memory"]) == 2
    assert cgroups.pids_limit(groups["pids"]) == 20
    assert (cgroups.pids_now(groups["pids"]), cgroups.pids_refused(groups["pids"])) == (7, 3)


@pytest.mark.parametrize("unified", [False, True])
def test_without_limits_or_files_there_is_none(tmp_path: Path, unified: bool) -> None:
    for place in (FREE[unified], {}):
        path = tmp_path / str(len(place))
        written(path, place)
        group = Group(controller="memory", path=path, root=path, unified=unified)
        assert cgroups.cpu_limit(group) is None
        assert cgroups.memory_limit(group) is None
        assert cgroups.memory_left(group) is None
        assert cgroups.pids_limit(group) is None
    assert cgroups.oom_kills(group) is None


def test_a_group_of_version_2_may_be_without_a_controller(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    for controller, there in (("cpu", True), ("memory", False)):
        assert cgroups.acts(Group(controller=controller, path=tmp_path, root=tmp_path, unified=True)) is there


def test_the_group_of_this_process_is_found_and_that_of_nobody_is_not() -> None:
    group = cgroups.group_of(os.getpid(), "memory")
    if group is None:
        pytest.skip("this machine shows no control groups")
    assert str(os.getpid()) in (group.text("cgroup.procs") or "").split()
    assert cgroups.group_of(2**22 + 1, "memory") is None
