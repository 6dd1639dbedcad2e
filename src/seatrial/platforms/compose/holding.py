"""What the kernel holds a container to, beside what its engine says of it. Standard library only: `removal` looks, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core import cgroups
from ...core.cgroups import Group

Settings = Mapping[str, int]  # of HostConfig: NanoCpus, or CpuPeriod and CpuQuota; Memory and MemorySwap; PidsLimit


def controller_of(asked: Settings) -> str:
    """Which of them it is about."""
    return "memory" if "Memory" in asked else "pids" if "PidsLimit" in asked else "cpu"


def group_of(details: Mapping[str, Any], asked: Settings) -> Group | None:
    """Where that would be seen; None for a container that does not run, or whose processes are not this machine's."""
    pid = int(details["State"].get("Pid") or 0)
    group = cgroups.group_of(pid, controller_of(asked)) if details["State"].get("Running") and pid else None
    return group if group is not None and str(details["Id"]) in str(group.path) else None


def noted(details: Mapping[str, Any], words: Mapping[str, Settings]) -> bool:
    """Whether its engine has what was `asked`, where that is not what is given `back`."""
    host, back = details["HostConfig"], words["back"]
    return any(host.get(n) == asked != back.get(n) for n, asked in words["asked"].items())


def tight(group: Group, asked: Settings) -> bool:
    """Whether what is asked for holds there, or less."""
    match group.controller:
        case "cpu":
            cores = asked["NanoCpus"] / 1e9 if "NanoCpus" in asked else asked["CpuQuota"] / asked["CpuPeriod"]
            return (found := cgroups.cpu_limit(group)) is not None and found <= cores * 1.001
        case "memory":
            return (limit := cgroups.memory_limit(group)) is not None and limit <= asked["Memory"]
    return (count := cgroups.pids_limit(group)) is not None and count <= asked["PidsLimit"]
