"""What can be done to the network of a process, measured from both its sides; and that nothing of it remains."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from grounds import Grounds, Place, bulk, datagrams, handshakes, ip, took

from seatrial.core import procfs
from seatrial.core.errors import NotExercised, PlatformError
from seatrial.core.networks import Means, Sound
from seatrial.keeper import KeeperClient
from seatrial.platforms.namespaces import filters, orders, shaping
from seatrial.platforms.namespaces.entering import namespace_of, opened
from seatrial.platforms.namespaces.networks import Networks
from seatrial.platforms.namespaces.sounding import sound

pytestmark = [pytest.mark.root, pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def begin(networks: Networks, place: Place, kind: str, *peers: str, **arguments: object) -> int:
    return await networks.impair(place.process, f"{place.name}#1", kind, arguments, peers)


@pytest.mark.parametrize("direction", ["in", "out", "both"])
async def test_a_partition_lets_nothing_through_until_it_is_mended(
    grounds: Grounds, networks: Networks, direction: str
) -> None:
    web = grounds.places["web"]
    number = await begin(networks, web, "partition", direction=direction)
    for host in (web.address["host"], web.address6["host"]):
        assert await took(None, host, patience_s=0.3) == "silent"
    assert await took(grounds.places["peer"], web.address["peer"], patience_s=0.3) == "silent"
    assert isinstance(await took(web, web.address["host"]), list), "what does not leave is let alone"
    assert "networks of a test" in web.state()
    await networks.mend(number)
    for host in (web.address["host"], web.address6["host"]):
        assert isinstance(await took(None, host), list)


@pytest.mark.parametrize("direction", ["in", "out", "both"])
async def test_who_is_there_is_known_in_a_partition(grounds: Grounds, networks: Networks, direction: str) -> None:
    """Else the neighbour is given up, and whoever is healed is no route to a host for a while."""
    web = grounds.places["web"]
    number = await begin(networks, web, "partition", direction=direction)
    for host in (web.address["host"], web.address6["host"]):
        ip("neigh", "flush", "to", host)
        assert await took(None, host, patience_s=0.3) == "silent"
        assert "lladdr" in ip("neigh", "show", "to", host)
    await networks.mend(number)
    for host in (web.address["host"], web.address6["host"]):
        assert isinstance(await took(None, host), list)


async def test_one_way_is_one_way(grounds: Grounds, networks: Networks) -> None:
    """What is sent with a partition of one way arrives the other way: the other side sees it, and its answer is lost."""
    web, peer = grounds.places["web"], grounds.places["peer"]
    for direction, seen in (("out", 0), ("in", 40)):
        before = _received(peer)
        number = await begin(networks, web, "partition", direction=direction)
        assert await datagrams(web, peer.address["web"], 40) == 0
        assert _received(peer) - before == seen
        await networks.mend(number)


def _received(place: Place) -> int:
    rows = [line.split() for line in place.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:")]
    return int(dict(zip(*rows, strict=True))["InDatagrams"])


async def test_a_partition_from_some_leaves_the_others(grounds: Grounds, networks: Networks) -> None:
    web, peer = grounds.places["web"], grounds.places["peer"]
    number = await begin(networks, web, "partition", peer.address["web"], peer.address6["web"])
    for mine, theirs in ((web.address, peer.address), (web.address6, peer.address6)):
        assert await took(peer, mine["peer"], patience_s=0.3) == "silent"
        assert await took(web, theirs["web"], patience_s=0.3) == "silent"
        assert isinstance(await took(None, mine["host"]), list)
    await networks.mend(number)
    assert isinstance(await took(peer, web.address["peer"]), list)


async def test_a_share_is_lost(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    assert await datagrams(None, web.address["host"], 1000) == 1000
    for direction, left in (("in", 0.7), ("both", 0.49)):
        number = await begin(networks, web, "loss", share=0.3, direction=direction)
        for host in (web.address["host"], web.address6["host"]):
            back = await datagrams(None, host, 1000)
            assert abs(back / 1000 - left) < 0.08, (direction, host, back)  # five standard deviations
        await networks.mend(number)
    assert await datagrams(None, web.address["host"], 1000) == 1000


async def test_a_delay_is_as_asked(grounds: Grounds, networks: Networks) -> None:
    """100 ms more or less 10 ms, one way: half of all round trips within 3 ms of it (the median of 400 has a deviation of 0.5 ms)."""
    web = grounds.places["web"]
    hosts = (web.address["host"], web.address6["host"])
    number = await begin(networks, web, "latency", direction="in", delay_ns=100_000_000, jitter_ns=10_000_000)
    for host in hosts:
        times = await handshakes(None, host, 400)
        assert abs(statistics.median(times) - 0.1) < 0.003, statistics.quantiles(times)
        assert min(times) > 0.089
        assert statistics.quantiles(times)[-1] < 0.110
    await networks.mend(number)
    for host in hosts:
        assert statistics.median(await handshakes(None, host, 40)) < 0.01


async def test_a_delay_of_both_ways_and_of_some(grounds: Grounds, networks: Networks) -> None:
    web, peer = grounds.places["web"], grounds.places["peer"]
    number = await begin(networks, web, "latency", peer.address["web"], delay_ns=50_000_000)
    far, near = await handshakes(peer, web.address["peer"], 40), await handshakes(None, web.address["host"], 40)
    assert 0.1 <= statistics.median(far) < 0.106
    assert statistics.median(near) < 0.01
    await networks.mend(number)


async def test_what_waits_when_a_delay_ends_is_not_lost(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    number = await begin(networks, web, "latency", direction="in", delay_ns=2_000_000_000)
    asked = asyncio.create_task(took(None, web.address["host"], patience_s=20))
    await until(lambda: rules_saw(web) > 0)
    await networks.mend(number)
    assert isinstance(await asked, list)


def rules_saw(place: Place) -> int:
    """Packets that rules of ours have seen."""
    lines = place.run("iptables-save", "-c").splitlines()
    return sum(int(line[1:].partition(":")[0]) for line in lines if line.startswith("[") and "-A seatrial-" in line)


async def test_an_interface_passes_so_much(grounds: Grounds, networks: Networks) -> None:
    plain = grounds.places["plain"]
    host, size = plain.address["host"], 400_000
    free = await bulk(None, host, size)
    for direction, seconds in (("in", 1), ("out", 1), ("both", 2)):  # the answer begins when all is there
        number = await begin(networks, plain, "bandwidth", rate=400_000, direction=direction)
        slow = await bulk(None, host, size)
        assert 0.8 * seconds < slow < 1.6 * seconds, (direction, slow)
        assert slow > 4 * free
        await networks.mend(number)
    assert await bulk(None, host, size) < 0.5
    assert "tbf" not in plain.state() + grounds.host_state("plain")


async def test_what_comes_in_is_shaped_at_this_machine_alone(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    with pytest.raises(
        NotExercised, match=r"e1 is shaped at its other end, which is none of this machine's interfaces"
    ):
        await begin(networks, web, "bandwidth", rate=400_000, direction="in")
    number = await begin(networks, web, "bandwidth", rate=400_000, direction="out")
    with pytest.raises(PlatformError, match="is shaped already, by tbf"):
        await begin(networks, web, "bandwidth", rate=100_000, direction="out")
    assert "tbf" in web.state()
    await networks.mend(number)


@pytest.mark.parametrize(("how", "seen"), [("drop", "silent"), ("refuse", "refused")])
async def test_names_are_not_found(grounds: Grounds, networks: Networks, how: str, seen: str) -> None:
    web = grounds.places["web"]

    async def ask() -> str:
        (found,) = await sound(web.process, Sound(means=Means.NAME, patience_ns=300_000_000), ("web", 0))
        return found.outcome

    assert await ask() == "answered"
    number = await begin(networks, web, "dns", how=how)
    assert await ask() == seen
    assert isinstance(await took(None, web.address["host"]), list)
    await networks.mend(number)
    assert await ask() == "answered"


async def test_several_at_once_are_mended_one_by_one(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    late = await begin(networks, web, "latency", direction="in", delay_ns=50_000_000)
    later = await begin(networks, web, "latency", direction="out", delay_ns=30_000_000)
    apart = await begin(networks, web, "partition")
    assert await took(None, web.address["host"], patience_s=0.4) == "silent"
    await networks.mend(apart)
    for number, least in ((late, 0.08), (later, 0.03)):
        times = await handshakes(None, web.address["host"], 40)
        assert least <= statistics.median(times) < least + 0.006
        await networks.mend(number)


async def test_what_ended_by_another_hand_is_told(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    apart = await begin(networks, web, "partition")
    for program, kind in (("iptables", "ip"), ("ip6tables", "ip6")):
        web.run(program, "-t", "mangle", "-F")
        web.run(program, "-t", "mangle", "-X")
        web.run("nft", "delete", "table", kind, "mangle")
    with pytest.raises(PlatformError, match="ended before: there was nothing of it"):
        await networks.mend(apart)
    with pytest.raises(PlatformError, match="ended before"):
        await networks.mend(apart)


async def test_a_reader_that_was_killed_lets_packets_pass_and_is_told(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    late = await begin(networks, web, "latency", delay_ns=200_000_000)
    units = await networks._supervisor.statuses()
    (reader,) = [u for u in units.values() if u.name == networks._deeds[late].reader]
    assert reader.process is not None
    changes = networks._supervisor.changes()
    os.kill(reader.process.pid, 9)
    await until(lambda: not procfs.is_alive(reader.process))
    times = await took(None, web.address["host"], lines=5)
    assert isinstance(times, list)
    assert max(times) < 0.1
    await anext(changes)
    with pytest.raises(PlatformError, match="the reader of its queue was ended by another hand"):
        await networks.mend(late)


async def test_what_a_guest_did_goes_with_it_the_reader_of_its_queue_too(
    grounds: Grounds, networks: Networks, tmp_path: Path
) -> None:
    web = grounds.places["web"]
    async with await KeeperClient.launch(tmp_path / "kept") as owner:
        await owner.keep()
        async with await KeeperClient.attach(tmp_path / "kept") as guest:
            visiting = Networks(guest, directory=tmp_path, comment="networks of a guest")
            # Of some, and so not by netem, where the kernel has that.
            late = await begin(visiting, web, "latency", grounds.places["peer"].address["web"], delay_ns=200_000_000)
            process = (await owner.statuses())[visiting._deeds[late].reader].process
            assert process is not None
        try:
            await until(lambda: not procfs.is_alive(process))
        finally:  # what is kept would outlive a test that failed
            residue = await owner.end()
        assert not residue


@pytest.mark.parametrize(
    ("kind", "arguments"), [("partition", {}), ("latency", {"delay_ns": 10**8}), ("bandwidth", {"rate": 10**5})]
)
async def test_an_impairment_that_is_cancelled_leaves_nothing(
    grounds: Grounds, networks: Networks, kind: str, arguments: Mapping[str, object]
) -> None:
    plain = grounds.places["plain"]
    before = plain.state()
    for after in (0.0, 0.05, 0.2, 0.5):
        task = asyncio.create_task(begin(networks, plain, kind, **arguments))
        done, _ = await asyncio.wait({task}, timeout=after)
        if done:
            await networks.mend(await task)
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert plain.state() == before, after


async def test_what_was_forgotten_is_undone_at_the_end(grounds: Grounds, tmp_path: Path) -> None:
    """By the keeper: nobody mends these."""
    plain = grounds.places["plain"]
    before = plain.state() + grounds.host_state("plain")
    async with await KeeperClient.launch(tmp_path) as keeper:
        mine = Networks(keeper, directory=tmp_path, comment="forgotten")
        for kind, arguments in (
            ("latency", {"delay_ns": 10**8}),
            ("bandwidth", {"rate": 10**5}),
            ("dns", {"how": "refuse"}),
        ):
            await begin(mine, plain, kind, **arguments)
        assert "NFQUEUE" in plain.state()
        assert "tbf" in plain.state()
        assert not await keeper.end()
    assert plain.state() + grounds.host_state("plain") == before


async def test_a_removal_may_come_twice_and_where_nothing_is_any_more(grounds: Grounds, networks: Networks) -> None:
    plain = grounds.places["plain"]
    number = await begin(networks, plain, "partition")
    deed = networks._deeds[number]
    for _ in range(2):
        done = await networks._hand("remove", str(deed.order.namespace), deed.order.tag)
        assert done.exit_status == 0, done.stderr
    assert (await networks._hand("remove", "1", deed.order.tag)).exit_status == 0
    with pytest.raises(PlatformError, match="ended before"):
        await networks.mend(number)


async def test_this_machine_itself_is_let_alone(networks: Networks) -> None:
    own = procfs.identify(os.getpid())
    assert own is not None
    with pytest.raises(NotExercised, match="web#1 shares the network of this machine: faults at links need no network"):
        await networks.impair(own, "web#1", "partition", {})


async def test_wrong_arguments_and_kinds_are_told(grounds: Grounds, networks: Networks) -> None:
    web = grounds.places["web"]
    with pytest.raises(NotExercised, match="flood is nothing that can be done"):
        await begin(networks, web, "flood")
    with pytest.raises(PlatformError, match="north is no direction: in, out or both"):
        await begin(networks, web, "partition", direction="north")
    with pytest.raises(PlatformError, match="more than 0%"):
        await begin(networks, web, "loss", share=0)


async def test_a_program_that_is_missing_is_named(grounds: Grounds, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.platforms.namespaces.tools._SYSTEM", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    filters.tools.find.cache_clear()
    try:
        made = orders.order("partition", {}, namespace=1, pid=1, tag="t", comment="c")
        with pytest.raises(
            NotExercised, match="the program iptables-restore is missing on this machine: install iptables"
        ):
            filters.apply(made)
        web = grounds.places["web"]
        descriptor = opened(namespace_of(web.process.pid), web.process.pid)
        assert descriptor is not None
        with pytest.raises(NotExercised, match="the program ip is missing on this machine: install iproute2"):
            shaping.interfaces(descriptor, os.open("/proc/self/ns/net", os.O_RDONLY))
    finally:
        filters.tools.find.cache_clear()


async def test_without_root_it_says_so(networks: Networks, grounds: Grounds) -> None:
    bare = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m", "seatrial.platforms.namespaces", "try"]
    done = await asyncio.to_thread(subprocess.run, bare, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "it takes root" in done.stderr


async def test_a_namespace_is_found_while_anybody_leads_to_it(grounds: Grounds, networks: Networks) -> None:
    """A process that ends takes nothing along where its namespace is kept: what was done there is removed all the same."""
    plain = grounds.places["plain"]
    other = await asyncio.create_subprocess_exec("ip", "netns", "exec", plain.label, "sleep", "100")
    process = procfs.identify(other.pid)
    await until(lambda: namespace_of(other.pid) == namespace_of(plain.process.pid))
    number = await networks.impair(process, "plain#2", "partition", {})
    other.kill()
    await other.wait()
    assert await took(None, plain.address["host"], patience_s=0.3) == "silent"
    await networks.mend(number)
    assert isinstance(await took(None, plain.address["host"]), list)
