from __future__ import annotations

import subprocess

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.stack import Blueprint
from seatrial.embedded.binaries import need


@pytest.fixture(autouse=True)
def web(site):
    site.exports["web"] = {"addresses": "web:9001,web:9002"}


def caddyfile(blueprint: Blueprint) -> str:
    return blueprint.instances[0].files[0].content


def test_every_instance_is_behind_it(expand):
    blueprint = expand("proxy", "caddy", to="web")["proxy"]
    text = caddyfile(blueprint)
    assert "reverse_proxy web:9001 web:9002 {" in text
    assert "health_uri" not in text
    assert "lb_retry_match" not in text
    assert "output stdout" not in text
    assert blueprint.exports["url"] == "http://proxy:20001"
    assert blueprint.exports["ca"] == ""


def test_one_instance_may_be_behind_it(expand):
    assert "reverse_proxy web:9002 {" in caddyfile(expand("proxy", "caddy", to="web#2")["proxy"])


@pytest.mark.parametrize(
    ("to", "hint"), [("web#3", "it has 2 of them"), ("web#0", "it has 2 of them"), ("mute", "it has no ports")]
)
def test_what_has_no_address_is_refused(expand, site, to, hint):
    site.exports["mute"] = {}
    with pytest.raises(UsageError, match=rf"service proxy: {to} has no address to connect to\s+{hint}"):
        expand("proxy", "caddy", to=to)


def test_instances_are_asked_for_their_health(expand):
    assert "health_uri /livez\n" in caddyfile(expand("proxy", "caddy", to="web", health="/livez")["proxy"])


def test_writes_are_repeated_only_if_wanted(expand):
    assert "POST" in caddyfile(expand("proxy", "caddy", to="web", retry_writes=True)["proxy"])


def test_it_listens_on_loopback_and_leaves_the_machine_alone(expand, site):
    blueprint = expand("proxy", "caddy", to="web", tls="internal")["proxy"]
    text = caddyfile(blueprint)
    for line in ("admin off", "skip_install_trust", "persist_config off", "bind 127.0.0.1"):
        assert f"\t{line}\n" in text
    instance = blueprint.instances[0]
    places = [instance.environment[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")]
    assert all(place.startswith(str(site.directory)) for place in places)
    assert blueprint.exports["ca"].startswith(str(site.directory))
    assert blueprint.exports["url"] == "https://proxy:20001"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"tls": "internal"}, {"health": "/livez", "retry_writes": True, "access_log": True, "tls": "internal"}],
)
def test_caddy_understands_what_was_written(expand, tmp_path, arguments):
    instance = expand("proxy", "caddy", to="web", **arguments)["proxy"].instances[0]
    file = tmp_path / "Caddyfile"
    file.write_text(instance.files[0].content)
    command = [str(need("caddy")), "validate", "--adapter", "caddyfile", "--config", str(file)]
    seen = subprocess.run(
        command, env={**instance.environment, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert seen.returncode == 0, seen.stderr
