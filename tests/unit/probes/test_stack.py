"""The probe `stack`: what is told from events, states and figures; that it asks the right ones is for real stacks to show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.observations import Seen
from seatrial.core.processes import Restart
from seatrial.core.stack import Actual, After, Declaration, Endpoint, Instance, InstanceState, Limits, Usage, Volume
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
        (After.COMPLETED, [DONE, WEB, DB, DONE], "web ran before db was completed"),  # it was made, and had not run yet
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


def promise(service: str = "web", **more: Any) -> dict[str, Declaration]:
    return {service: Declaration(service=service, replicas=1, restart=Restart.ALWAYS, **more)}


ALL = frozenset({"environment", "limits", "ports", "volumes"})


async def test_order_of_a_stack_that_nobody_saw_start_is_not_known(kit: Any) -> None:
    declared = promise(after={"db": After.READY})
    seen = await kit.observe("stack", "order", around=kit.Around(promises=declared), instances=[WEB])
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "not-exercised")
    late = kit.Around(promises=declared, changed=[DB, WEB, READY])
    assert (await kit.observe("stack", "order", around=late)).values["differences"] == [
        "web ran before db was ready (4 ms)"
    ]
    none = await kit.observe("stack", "order", around=kit.Around(promises=promise(), changed=[WEB]))
    assert "no service of this stack depends on another" in none.message


async def test_who_is_not_well_says_why(kit: Any) -> None:
    around = kit.Around(well={"web#1": (True, "fine"), "web#2": (False, "status is 503")})
    seen = await kit.observe("stack", "health", around=around)
    assert (seen.values["healthy"], seen.values["instances"]) == (1, 2)
    assert seen.values["differences"] == ["web#2 is not well: status is 503"]


async def test_the_restart_policy_is_told_from_who_was_there_before(kit: Any) -> None:
    around = kit.Around(promises=promise())
    again = replace(WEB, identity="new")
    was = [{"name": "web#1", "identity": "a"}]

    async def differences(now: Instance) -> Any:
        return (await kit.observe("stack", "restart-policy", around=around, instances=[now], was=was)).values[
            "differences"
        ]

    assert await differences(again) == []
    assert await differences(WEB) == ["nothing has ended of web#1"]
    (gone,) = await differences(replace(WEB, state=InstanceState.DOWN))
    assert gone.startswith("web#1 was not started again (restart: always)")


async def test_limits(kit: Any) -> None:
    declared = promise(limits=Limits(memory_bytes=64 << 20, cpus=0.5))
    real = {"web#1": Actual(reads=ALL, limits=Limits(memory_bytes=64 << 20, cpus=2.0))}
    seen = await kit.observe("stack", "limits", around=kit.Around(promises=declared, real=real), instances=[WEB])
    assert seen.values["checked"] == 2
    assert seen.values["differences"] == ["web#1: cpus is 2, declared 0.5"]
    small = {"web#1": Actual(reads=ALL, limits=Limits(memory_bytes=2048))}
    around = kit.Around(promises=promise(limits=Limits(memory_bytes=2048)), real=small)  # it uses 4096
    seen = await kit.observe("stack", "limits", around=around, instances=[WEB])
    assert "of memory, declared" in seen.values["differences"][0]
    blind = {"web#1": Actual(reads=frozenset())}
    for around in (kit.Around(promises=promise(), real=real), kit.Around(promises=declared, real=blind)):
        assert (await kit.observe("stack", "limits", around=around, instances=[WEB])).error == "not-exercised"


async def test_ports(kit: Any) -> None:
    at = replace(WEB, endpoints={"http": Endpoint(name="http", scheme="http", host="127.0.0.1", port=8080)})
    around = kit.Around(
        promises=promise(ports={80: 8080, 81: 8081}),
        real={"web#1": Actual(reads=ALL, ports={80: 9090, 8080: 8080, 99: 99})},
    )
    seen = await kit.observe("stack", "ports", around=around, instances=[at])
    assert seen.values["differences"] == [
        "web#1: port 80 is at 9090 of the host, declared 8080",
        "web#1: nothing listens on port 81",
    ]
    assert seen.values["undeclared"] == ["web#1: 99"]


async def test_values_of_variables_are_compared_and_never_shown(kit: Any) -> None:
    around = kit.Around(
        promises=promise(environment={"A": "1", "KEY": "hidden", "GONE": "hidden"}),
        real={"web#1": Actual(reads=ALL, environment={"A": "1", "KEY": "exposed"})},
    )
    seen = await kit.observe("stack", "environment", around=around, instances=[WEB])
    assert seen.values["differences"] == ["web#1: KEY is another than declared", "web#1: GONE is not set"]
    assert "hidden" not in repr(seen)
    assert "exposed" not in repr(seen)


async def test_a_marker_in_each_volume_that_is_kept(kit: Any, tmp_path: Path) -> None:
    for name in ("kept", "cache"):
        (tmp_path / name).mkdir()
    volumes = (
        Volume(target=str(tmp_path / "kept")),
        Volume(target=str(tmp_path / "cache"), kept=False),
        Volume(target="/etc", read_only=True),
    )
    around = kit.Around(promises=promise(volumes=volumes))

    async def act(marker: str, text: str = "t1") -> Any:
        seen = await kit.observe("stack", "volumes", around=around, instances=[WEB], marker=marker, text=text)
        return seen.values["differences"]

    (missing,) = await act("read")
    assert "No such file" in missing
    assert await act("write") == []
    assert await act("read") == []
    assert await act("read", "t2") == [f"{tmp_path / 'kept'}: its marker is another one"]
    assert await act("remove") == []
    assert list(tmp_path.glob("*/.*")) == []
    bare = await kit.observe("stack", "volumes", around=kit.Around(promises=promise()), instances=[WEB], marker="read")
    assert bare.error == "not-exercised"
