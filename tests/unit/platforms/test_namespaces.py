"""Orders for network namespaces, and what is read of packets and tables: what needs no right."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import NotExercised
from seatrial.platforms.compose.sockets import address_of
from seatrial.platforms.namespaces import filters, orders
from seatrial.platforms.namespaces.queue import flow_of
from seatrial.platforms.namespaces.sounding import _sum

WHERE = {"namespace": 4026531840, "pid": 1, "tag": "seatrial-0a1b2c3d-12", "comment": "seatrial 2026-11-26 shop"}
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@given(
    kind=st.sampled_from(["partition", "loss", "latency", "dns"]),
    direction=st.sampled_from(["in", "out", "both"]),
    share=st.floats(0.000001, 1),
    delay=st.integers(0, 10**12),
    addresses=st.lists(ADDRESSES, max_size=4),
)
def test_an_order_is_read_as_it_was_written(
    kind: str, direction: str, share: float, delay: int, addresses: list[str]
) -> None:
    arguments = {"direction": direction, "share": share, "delay_ns": delay, "jitter_ns": delay // 2}
    made = orders.order(kind, arguments, addresses=addresses, **WHERE)
    assert orders.read(made.text()) == made
    assert sorted((*made.of_family(4), *made.of_family(6))) == sorted(made.addresses)
    assert made.ways == (("in", "out") if direction == "both" else (direction,))


@given(st.text(min_size=1, max_size=40))
def test_a_handle_is_none_that_the_kernel_gives(tag: str) -> None:
    assert 0x5000 <= int(orders.handle_of(tag).rstrip(":"), 16) <= 0x5FFF


def test_a_comment_cannot_end_its_quotes() -> None:
    made = orders.order("partition", {}, **{**WHERE, "comment": 'a "b" \n$(c)'})
    assert made.comment == "a -b- -- -c-" or set(made.comment) <= set("ab c-")


def test_wrong_orders_are_refused() -> None:
    for kind, arguments, words in (
        ("loss", {"share": 0}, "more than 0%"),
        ("loss", {"share": 2}, "more than 0%"),
        ("loss", {"share": "5%"}, "share is a number"),
        ("bandwidth", {}, "rate is at least 1 byte a second"),
        ("partition", {"direction": "to"}, "to is no direction: in, out or both"),
    ):
        with pytest.raises(ValueError, match=words):
            orders.order(kind, arguments, **WHERE)
    with pytest.raises(NotExercised, match="flood is nothing"):
        orders.order("flood", {}, **WHERE)


def test_each_rule_carries_tag_and_comment_and_lets_the_loopback_alone() -> None:
    for kind in ("partition", "loss", "latency"):
        made = orders.order(kind, {"delay_ns": 1, "share": 0.1}, addresses=["10.0.0.1", "fd00::1"], **WHERE)
        for family, address in ((4, "10.0.0.1"), (6, "fd00::1")):
            (lines,) = filters._tables(made, family, "DROP").values()
            rules = [line for line in lines if not line.startswith(":")]
            assert all('--comment "seatrial 2026-11-26 shop"' in r and "seatrial-0a1b2c3d-12-" in r for r in rules)
            assert [r for r in rules if r.startswith("-I")] == [
                f'-I {hook} 1 ! {i} lo -m comment --comment "{made.comment}" -j {made.chains[way]}'
                for hook, i, way in (("INPUT", "-i", "in"), ("OUTPUT", "-o", "out"))
            ]
            neighbours = [r for r in rules if r.endswith("-j RETURN")]
            assert [r.split()[2:6] for r in neighbours] == [
                ["-p", "ipv6-icmp", "--icmpv6-type", number] for number in ("135", "136") * 2 if family == 6
            ]
            others = [r for r in rules if r.startswith("-A") and r not in neighbours]
            assert [r.split()[2:4] for r in others] == [["-s", address], ["-d", address]]


def test_what_is_removed_is_what_carries_the_tag_and_nothing_else() -> None:
    saved = {
        "nat": [":OUTPUT ACCEPT [0:0]", ":DOCKER_OUTPUT - [0:0]", "-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT"],
        "mangle": [
            ":OUTPUT ACCEPT [0:0]",
            ":st-1-out - [0:0]",
            ":st-12-out - [0:0]",
            '-A OUTPUT ! -o lo -m comment --comment "a b" -j st-1-out',
            "-A OUTPUT ! -o lo -j st-12-out",
            "-A st-1-out -j DROP",
        ],
    }
    assert filters._removal("st-1", saved) == {
        "mangle": ['-D OUTPUT ! -o lo -m comment --comment "a b" -j st-1-out', "-F st-1-out", "-X st-1-out"]
    }


def packet(source: str, destination: str, protocol: int, ports: bytes = b"", options: int = 0) -> bytes:
    if ":" in source:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
        return struct.pack("!IHBB", 6 << 28, 0, protocol, 64) + ends + ports
    head = struct.pack("!BBHHHBBH", 4 << 4 | 5 + options, 0, 0, 0, 0, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(destination) + bytes(4 * options) + ports


@pytest.mark.parametrize(("one", "other"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_flows_are_told_apart_by_addresses_protocol_and_ports(one: str, other: str) -> None:
    tcp = flow_of(packet(one, other, 6, b"\x00\x50\x01\x00"))
    assert tcp == flow_of(packet(one, other, 6, b"\x00\x50\x01\x00" + bytes(16)))
    others = [
        packet(one, other, 6, b"\x00\x50\x01\x01"),
        packet(other, one, 6, b"\x00\x50\x01\x00"),
        packet(one, other, 17, b"\x00\x50\x01\x00"),
        packet(one, other, 58, b"\x00\x50\x01\x00"),
    ]
    assert tcp not in {flow_of(p) for p in others}
    assert len({flow_of(p) for p in others}) == len(others)


@given(st.binary(max_size=64))
def test_any_head_has_a_flow(head: bytes) -> None:
    assert isinstance(flow_of(head), bytes)


def test_options_of_ipv4_are_stepped_over() -> None:
    ports = b"\x12\x34\x56\x78"
    assert flow_of(packet("10.0.0.1", "10.0.0.2", 17, ports, options=3)) == flow_of(
        packet("10.0.0.1", "10.0.0.2", 17, ports)
    )


@given(st.binary(max_size=200))
def test_a_checksum_makes_the_sum_nothing(data: bytes) -> None:
    data += bytes(len(data) % 2)
    assert _sum(data + struct.pack("!H", _sum(data))) == 0


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("020011AC", "172.17.0.2"),
        ("0000000000000000FFFF0000020011AC", "172.17.0.2"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_addresses_are_read_as_the_kernel_prints_them(text: str, address: str) -> None:
    assert address_of(text) == address
