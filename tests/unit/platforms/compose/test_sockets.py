"""Connections that go past a link: counted, and ended where that may be."""

from __future__ import annotations

import os
import socket

import pytest

from seatrial.platforms.compose.sockets import end_strangers, strangers

pytestmark = [pytest.mark.asyncio, pytest.mark.root]


@pytest.mark.skipif(os.geteuid() != 0, reason="entering a network takes root")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_a_stranger_is_told_that_it_is_over_and_others_are_not(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::"  # as servers do that listen to both
    with socket.create_server((host, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as server:
        port = server.getsockname()[1]
        stranger = socket.create_connection(("127.0.0.1", port))
        friend = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
        with stranger, friend:
            accepted = [server.accept()[0] for _ in range(2)]
            known = {"127.0.0.1": "web#1"}
            assert strangers(os.getpid(), [port, 1], known) == {"web#1": 1}
            await end_strangers(os.getpid(), [port, 1], known)
            stranger.settimeout(5)
            with pytest.raises(ConnectionError):
                stranger.recv(1)
            friend.settimeout(0.2)
            with pytest.raises(TimeoutError):
                friend.recv(1)
            assert not strangers(os.getpid(), [port], known)
            for each in accepted:
                each.close()
