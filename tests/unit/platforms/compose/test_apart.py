from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.cgroups import Group
from seatrial.platforms.compose.apart import crowded

ROOT = Path("/sys/fs/cgroup/cpu")


def group(path: str, root: Path = ROOT) -> Group:
    return Group(controller="cpu", path=root / path if path else root, root=root, unified=False)


@pytest.mark.parametrize(
    ("own", "container", "expected"),
    [
        ("", "docker/1f2e", True),  # an engine without systemd
        ("seatrial-trial", "docker/1f2e", False),  # a group beside it
        ("user.slice/user-0.slice", "system.slice/docker-1f2e.scope", False),  # systemd's slices
        ("docker/outer", "docker/outer/docker/1f2e", True),  # an engine in a container
        ("docker", "docker/1f2e", False),  # ours weigh as much as each container
    ],
)
def test_who_crowds_out_whom(own, container, expected):
    assert crowded(group(own), group(container)) is expected


def test_what_cannot_be_seen_is_not_crowded():
    assert not crowded(None, group("docker/1f2e"))
    assert not crowded(group(""), None)
    assert not crowded(group("", Path("/elsewhere")), group("docker/1f2e"))
