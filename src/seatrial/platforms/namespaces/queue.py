"""Delay without netem: the kernel hands over what arrives (nfnetlink_queue), and lets it go on when it is told to.

Packets stay in the kernel; what is read of each is its head, to tell flows apart: what was sent later in a flow never arrives earlier.
When the reader ends, packets pass as if nothing were there (`--queue-bypass`), and those that wait are let go first.
The protocol: linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import signal
import socket
import struct
import time
from types import FrameType

from ...links.impairments.latency import DISTRIBUTIONS
from .orders import Order

_NETLINK_NETFILTER, _SUBSYSTEM = 12, 3
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_REQUEST = 1
_SO_RCVBUFFORCE, _SOL_NETLINK, _NO_ENOBUFS = 33, 270, 5
_CFG_COMMAND, _CFG_PARAMETERS, _CFG_LENGTH, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND, _COPY_PACKET = 1, 2
_FAIL_OPEN, _GSO = 1, 4  # a queue that is full lets pass; what is to be cut up later is not cut up for us
_HEADER, _VERDICT_ATTRIBUTE, _PAYLOAD = 1, 2, 10
_ACCEPT = 1
_WITH_PORTS = (b"\x06", b"\x11")  # TCP and UDP
_HEAD = 64  # bytes of each packet
_LENGTH = 200_000  # packets that wait at most
_FLOWS = 10_000
_BUFFER, _MESSAGE = 8 << 20, 1 << 16
_NICE = -10


class Reader:
    """Serves one queue in the present namespace."""

    def __init__(self, order: Order) -> None:
        self._number = order.queue
        self._delay, self._jitter = order.delay_ns / 1e9, order.jitter_ns / 1e9
        self._draw = DISTRIBUTIONS[order.distribution]
        self._waiting: list[tuple[float, int, int]] = []  # when, in which order, id
        self._order = 0
        self._last: dict[bytes, float] = {}
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._netlink.bind((0, 0))
        self._netlink.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._netlink.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        self._configure(_CFG_COMMAND, struct.pack(">BBH", _BIND, 0, 0))
        self._configure(_CFG_PARAMETERS, struct.pack(">IB", _HEAD, _COPY_PACKET))
        self._configure(_CFG_LENGTH, struct.pack(">I", _LENGTH))
        flags = struct.pack(">I", _FAIL_OPEN | _GSO)
        self._send(_CONFIG, _attribute(_CFG_MASK, flags) + _attribute(_CFG_FLAGS, flags))

    def serve(self) -> None:
        """Until SIGTERM; then all go on at once."""
        own, (ending, wake) = self._netlink.fileno(), os.pipe()

        def end(signal_number: int, frame: FrameType | None) -> None:
            os.write(wake, b"\0")

        signal.signal(signal.SIGTERM, end)
        _hasten()
        while True:
            self._release(time.monotonic())
            patience = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
            ready, _, _ = select.select([own, ending], [], [], patience)
            if ending in ready:
                self._release(float("inf"))
                return
            if ready:
                self._read()

    def _release(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, number = heapq.heappop(self._waiting)
            self._send(_VERDICT, _attribute(_VERDICT_ATTRIBUTE, struct.pack(">II", _ACCEPT, number)))

    def _read(self) -> None:
        try:
            data = self._netlink.recv(_MESSAGE)
        except OSError:
            return  # more than the buffer holds: those pass (fail-open)
        now, at = time.monotonic(), 0
        while len(data) >= at + 20:
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == (_SUBSYSTEM << 8 | _PACKET):
                self._take(data[at + 20 : at + length], now)
            at += max(16, (length + 3) & ~3)

    def _take(self, attributes: bytes, now: float) -> None:
        number, head, at = -1, b"", 0
        while len(attributes) >= at + 4:
            length, kind = struct.unpack_from("=HH", attributes, at)
            if kind & 0x3FFF == _HEADER:
                (number,) = struct.unpack_from(">I", attributes, at + 4)
            elif kind & 0x3FFF == _PAYLOAD:
                head = attributes[at + 4 : at + length]
            at += max(4, (length + 3) & ~3)
        if number < 0:
            return
        due = now + max(0.0, self._delay + (self._draw(self._jitter) if self._jitter else 0.0))
        if self._jitter:
            flow = flow_of(head)
            due = max(due, self._last.get(flow, 0.0))
            self._last[flow] = due
            if len(self._last) > _FLOWS:
                self._last = {f: t for f, t in self._last.items() if t > now}
        self._order += 1
        heapq.heappush(self._waiting, (due, self._order, number))

    def _configure(self, kind: int, value: bytes) -> None:
        self._send(_CONFIG, _attribute(kind, value))

    def _send(self, kind: int, attributes: bytes) -> None:
        body = struct.pack(">BBH", socket.AF_UNSPEC, 0, self._number) + attributes
        self._netlink.send(struct.pack("=IHHII", 16 + len(body), _SUBSYSTEM << 8 | kind, _REQUEST, 0, 0) + body)


def _hasten() -> None:
    """Before others, for what is late here is late for everybody: packets are not heavy work."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.nice(_NICE)


def flow_of(head: bytes) -> bytes:
    """What tells the flow of a packet from others, from its first bytes: addresses, protocol, ports."""
    if not head:
        return b""
    if head[0] >> 4 == 6:
        ports = head[40:44] if head[6:7] in _WITH_PORTS else b""
        return head[6:7] + head[8:40] + ports
    start = (head[0] & 15) * 4
    ports = head[start : start + 4] if head[9:10] in _WITH_PORTS else b""
    return head[9:10] + head[12:20] + ports


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
