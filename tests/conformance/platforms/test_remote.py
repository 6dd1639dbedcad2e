"""What the remote platform refuses, and what it says of what it does not reach."""

from __future__ import annotations

import asyncio
import socket

import pytest

from seatrial.core.errors import PlatformError, UsageError
from seatrial.core.stack import ServicePlan, StackPlan
from seatrial.core.templates import Template
from seatrial.platforms.kinds import REMOTE
from seatrial.platforms.remote import RemotePlatform


def quiet(_):
    pass


NAMES = {
    "shop.test": ["192.0.2.7"],
    "both.test": ["127.0.0.1", "192.0.2.8"],
    "here.test": ["127.0.0.1", "::1"],
    "nowhere.test": [],
}


@pytest.fixture
async def patched_names(monkeypatch):
    """A resolver that knows these names and nothing else, in place of the machine's: addresses stand for themselves."""

    async def getaddrinfo(host, _, **__):
        addresses = NAMES.get(host.rstrip(".").lower(), [host])
        if not addresses:
            raise socket.gaierror("no such name")
        return [(None, None, None, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def refusal(platform: RemotePlatform) -> str:
    with pytest.raises(UsageError) as error:
        await platform.survey()
    with pytest.raises(UsageError):
        await platform.up(quiet)
    return str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://shop.test", "shop.test (192.0.2.7) is not this machine"),
        ("https://both.test", "both.test (192.0.2.8) is not this machine"),
        ("https://nowhere.test", "nowhere.test (which has no address here) is not this machine"),
        ("http://192.0.2.9:8080", "192.0.2.9 is not this machine"),
        ("http://[2001:db8::1]:8080", "2001:db8::1 is not this machine"),
    ],
)
async def test_a_host_that_is_not_loopback_is_refused_and_how_to_allow_it_said(kit, patched_names, url, said):
    text = await refusal(kit.remote({"web": [url]}))
    assert f"service web: {said}, and the stack does not allow it" in text
    assert "allow: [" in text


async def test_all_refused_hosts_are_named_at_once(kit, patched_names):
    text = await refusal(kit.remote({"web": ["https://shop.test", "https://both.test"], "api": ["http://192.0.2.9"]}))
    assert text.count("does not allow it") == 3


@pytest.mark.parametrize("url", ["https://shop.test", "https://SHOP.test.", "https://both.test"])
async def test_an_allowed_name_may_be_addressed(kit, patched_names, url):
    views = await kit.remote({"web": [url]}, allow=("shop.test", "both.test")).survey()
    (instance,) = views["web"].instances
    assert instance.endpoints["https"].port == 443
    assert (instance.ready, instance.detail) == (False, "not asked yet")


async def test_allowing_a_name_does_not_allow_its_addresses_nor_other_names(kit, patched_names):
    text = await refusal(kit.remote({"web": ["http://192.0.2.7"], "api": ["http://both.test"]}, allow=("shop.test",)))
    assert text.count("does not allow it") == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "here.test"])
async def test_loopback_needs_no_permission(kit, patched_names, host):
    views = await kit.remote({"web": [f"http://{host}:1"]}).survey()
    assert views["web"].instances[0].endpoints["http"].port == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("shop.test:80", "is no address of the form"),
        ("http://u:p@127.0.0.1", "user or password in it"),
        ("http://127.0.0.1/shop", "has a path"),
        ("what://127.0.0.1", "names no port"),
        ("http://127.0.0.1:99999", "is no address"),
    ],
)
async def test_an_address_of_another_form_is_refused_without_repeating_a_password(kit, url, said):
    text = await refusal(kit.remote({"web": [url]}))
    assert said in text
    assert "u:p" not in text


async def test_without_a_check_a_connection_counts():
    def platform(port: int) -> RemotePlatform:
        plan = ServicePlan(name="db", kind="remote", arguments={"url": (f"tcp://127.0.0.1:{port}",), **soon})
        stack = StackPlan(name="x", platform="remote", services={"db": plan}, directory=None)
        return RemotePlatform(stack, prober=None, secrets=dict)

    from seatrial.core.quantities import parse_quantity

    soon = {"start-within": parse_quantity("200ms")}
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with pytest.raises(PlatformError, match=r"waited for: connections to 127\.0\.0\.1"):
            await platform(port).up(quiet)
        server.listen()
        reached = platform(port)
        await reached.up(quiet)
        assert (await reached.survey())["db"].instances[0].ready


async def test_parameters_may_hold_secrets():
    arguments = {"url": ("tcp://127.0.0.1:1",), "parameters": {"password": Template.parse("${secret:DB}")}}
    plan = ServicePlan(name="db", kind="remote", arguments=arguments)
    stack = StackPlan(name="x", platform="remote", services={"db": plan}, directory=None)
    views = await RemotePlatform(stack, prober=None, secrets={"DB": "hidden"}.__getitem__).survey()
    assert views["db"].parameters == {"password": "hidden"}
    assert views["db"].exports["url"] == "tcp://127.0.0.1:1"


async def test_a_local_stack_has_no_remote_services(bench):
    platform = await bench.local(ServicePlan(name="db", kind=REMOTE.name, arguments={"url": ("tcp://127.0.0.1:1",)}))
    with pytest.raises(UsageError, match="service db runs elsewhere"):
        await platform.up(quiet)
