from __future__ import annotations

import signal
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.processes import Restart
from seatrial.core.quantities import parse_quantity
from seatrial.core.stack import ServicePlan
from seatrial.core.templates import Template
from seatrial.platforms.ground import LocalGround, Site
from seatrial.platforms.ports import Ports
from seatrial.platforms.process import expand


@pytest.fixture
def make(tmp_path):
    site = Site(
        directory=tmp_path,
        stack_directory=Path("/stack"),
        stack_name="shop",
        ports=Ports(tmp_path / "ports"),
        secret=str,
        on_secret=lambda _: None,
    )

    def make(**arguments):
        arguments = {key.replace("_", "-"): value for key, value in {"command": "sleep 1", **arguments}.items()}
        (blueprint,) = expand(
            ServicePlan(name="web", kind="process", arguments=arguments), {}, LocalGround(site, "web")
        )
        return blueprint

    return make


def test_defaults(make):
    blueprint = make()
    (instance,) = blueprint.instances
    assert instance.name == "web#1"
    assert instance.argv == ["sleep", "1"]
    assert instance.directory == Path("/stack")
    assert (instance.restart, instance.stop_signal) == (Restart.ALWAYS, signal.SIGTERM)
    assert (instance.backoff_ns, instance.backoff_max_ns) == (200_000_000, 5_000_000_000)
    assert instance.endpoints == {}
    assert blueprint.exports == {"host": "127.0.0.1"}


def test_everything_that_may_be_said_is_heard(make):
    blueprint = make(
        replicas=2,
        directory="app",
        restart="on-failure",
        backoff=parse_quantity("1s"),
        backoff_max=parse_quantity("3s"),
        stop_signal="INT",
        stop_timeout=parse_quantity("2s"),
        unprivileged=True,
        log=Template.parse("log/{{ instance.ordinal }}.txt"),
        prepare="migrate now",
        prepare_each=("warm up", ("warm", "a b")),
    )
    first, second = blueprint.instances
    assert (first.restart, first.stop_signal, first.stop_timeout_ns) == (
        Restart.ON_FAILURE,
        signal.SIGINT,
        2_000_000_000,
    )
    assert (first.backoff_ns, first.backoff_max_ns, first.unprivileged) == (1_000_000_000, 3_000_000_000, True)
    assert second.log == Path("/stack/app/log/2.txt")
    assert first.prepare == [["migrate", "now"], ["warm", "up"], ["warm", "a b"]]
    assert second.prepare == [["warm", "up"], ["warm", "a b"]]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("auto", {"http": "http"}),
        ({"http": "auto", "admin": "auto"}, {"http": "http", "admin": "tcp"}),
        ({"admin": {"port": "auto", "scheme": "http"}, "redis": {"port": "auto"}}, {"admin": "http", "redis": "redis"}),
    ],
)
def test_ports_have_names_and_schemes(make, declared, expected):
    endpoints = make(ports=declared).instances[0].endpoints
    assert {name: endpoint.scheme for name, endpoint in endpoints.items()} == expected
    assert len({endpoint.port for endpoint in endpoints.values()}) == len(expected)


def test_each_copy_has_ports_of_its_own_and_is_told_them(make):
    blueprint = make(
        replicas=3, ports="auto", command=Template.parse("serve {{ instance.port.http }} {{ instance.name }}")
    )
    ports = [i.endpoints["http"].port for i in blueprint.instances]
    assert len(set(ports)) == 3
    assert [i.argv for i in blueprint.instances] == [["serve", str(p), f"web#{n}"] for n, p in enumerate(ports, 1)]
    assert blueprint.exports["port"] == str(ports[0])
    assert blueprint.exports["addresses"] == ",".join(f"127.0.0.1:{p}" for p in ports)


def test_copies_cannot_share_a_fixed_port(make):
    with pytest.raises(UsageError, match="2 replicas cannot all listen on port 8000"):
        make(replicas=2, ports={"http": 8000})


def test_an_empty_command_is_refused(make):
    with pytest.raises(UsageError, match="service web has an empty command"):
        make(command="  ")
