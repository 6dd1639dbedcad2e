"""The probe `stack`: what is told from events, states and figures; that it asks the right ones is for real stacks to show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.core.processes import Restart
from seatrial.core.stack import After, Instance, InstanceState, Limits, Usage
from seatrial.probes.stack import VERB, after_crash, disorder, over

WEB = Instance(
    name="web#1", service="web", ordinal=1, state=InstanceState.STARTING, ready=False, endpoints={}, identity="a",
    restarts=0, since_ns=5_000_000,
)  # fmt: skip
DB = replace(WEB, name="db#1", service="db", identity="b", since_ns=0)
READY = replace(DB, ready=True, state=InstanceState.RUNNING, since_ns=9_000_000)
DONE = replace(DB, state=InstanceState.DOWN, since_ns=4_000_000)


@pytest.mark.parametrize(
    ("after", "changes", "said"),
    [
        (After.READY, [DB, READY, WEB], ""),
        (After.READY, [DB, WEB, READY], "web ran before db was ready (4 ms)"),
        (After.READY, [DB, WEB], "web ran, and db was never ready"),
        (After.READY, [DB, READY], None),  # nobody saw web
        (After.STARTED, [DB, WEB], ""),
        (After.STARTED, [WEB, DB], "web ran before db was started"),
        (After.COMPLETED, [DB, DONE, WEB], ""),
        (After.COMPLETED, [DB, WEB, DONE], "web ran before db was completed"),
        (After.COMPLETED, [DB, WEB], None),
    ],
)
def test_who_ran_before_its_time(after: After, changes: list[Instance], said: str | None) -> None:
    assert disorder("web", "db", after, changes) == said


def test_a_crash_is_followed_by_what_the_policy_says() -> None:
    down = replace(WEB, state=InstanceState.DOWN, detail="ended by signal 9; not restarted")
    assert after_crash(WEB, Restart.ALWAYS) == ""
    assert after_crash(down, Restart.NEVER) == ""
    assert "was started again, and its policy is never" in after_crash(WEB, Restart.NEVER)
    assert "not started again (restart: on-failure): ended by signal 9" in after_crash(down, Restart.ON_FAILURE)


def test_limits_are_kept_to() -> None:
    used = Usage(cpu_seconds=1.0, memory_bytes=64 << 20, descriptors=9, threads=12, processes=2)
    assert over(Limits(memory_bytes=128 << 20, pids=20), used, "web#1") == []
    assert over(Limits(), used, "web#1") == []
    assert over(Limits(memory_bytes=32 << 20, pids=8), used, "web#1") == [
        "web#1: uses 64 MiB of memory, declared 32 MiB",
        "web#1: has 12 threads, declared at most 8",
    ]


def test_what_goes_with_what() -> None:
    assert VERB.check is not None
    assert VERB.check("ports", {}) is None
    assert VERB.check("restart-policy", {"was": []}) is None
    assert "needs was" in VERB.check("restart-policy", {}).message  # type: ignore[union-attr]
    assert "needs marker" in VERB.check("volumes", {}).message  # type: ignore[union-attr]
    assert VERB.check("ports", {"marker": "read"}).key == "marker"  # type: ignore[union-attr]
