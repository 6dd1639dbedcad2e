"""The project as it is brought up: whose it is, what variants lay over it, and nothing of anybody else's."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from seatrial.core.compose import ComposeProject
from seatrial.core.errors import PlatformError
from seatrial.core.expressions import Scope
from seatrial.core.templates import Template
from seatrial.platforms.compose import cli, project
from seatrial.platforms.compose.config import parse
from seatrial.platforms.compose.reading import surroundings

PRINTED = """\
name: mine
services:
  web:
    image: shop
    build: {context: /src, labels: {a: b}, tags: [elsewhere]}
    command: [serve, "$$HOME"]
    environment: {MODE: safe, LEVEL: info, KEY: a$$b}
    ports: [{target: 8000, protocol: tcp}, {target: 53, protocol: udp}]
    volumes: [{type: bind, source: /src, target: /stack}]
    restart: always
    profiles: [all]
  worker: {image: shop, deploy: {replicas: 2, restart_policy: {condition: any}}, ports: [{target: 9}]}
  db: {image: postgres:16}
networks: {default: {name: mine_default}, outside: {name: lan, external: true}, own: {name: shopnet}}
volumes: {data: {name: mine_data}, kept: {name: precious}}
"""
ROOM = Scope(open=True)


def built(overlay=None, printed=PRINTED, pin=lambda service, port: 20000 + port):
    plan = ComposeProject(files=(Path("compose.yaml"),), directory=Path("/src"), overlay=overlay or {})
    return project.build(parse(printed), plan, name="mine", trial="/trials/1", secret=lambda n: f"<{n}>", pin=pin)


def test_everything_carries_the_trials_label():
    content = built()
    for each in (*content["services"].values(), content["networks"]["default"], content["volumes"]["data"]):
        assert each["labels"][project.TRIAL] == "/trials/1"
    assert content["services"]["web"]["build"]["labels"] == {"a": "b", project.TRIAL: "/trials/1"}
    assert "labels" not in content["networks"]["outside"]


def test_names_that_may_be_somebody_elses_are_the_projects_own():
    content = built()
    assert content["services"]["web"]["image"] == content["services"]["worker"]["image"] == "mine-shop"
    assert "tags" not in content["services"]["web"]["build"]
    assert content["services"]["db"]["image"] == "postgres:16"  # nobody builds it
    assert content["volumes"]["kept"]["name"] == "mine_precious"
    assert content["volumes"]["data"]["name"] == "mine_data"
    assert content["networks"]["own"]["name"] == "mine_shopnet"
    assert content["networks"]["outside"]["name"] == "lan"


def test_a_port_that_the_engine_would_choose_is_kept_for_one_replica():
    services = built()["services"]
    assert services["web"]["ports"] == [
        {"target": 8000, "protocol": "tcp", "published": "28000", "host_ip": "127.0.0.1"},
        {"target": 53, "protocol": "udp"},
    ]
    assert services["worker"]["ports"] == [{"target": 9}]
    assert built(pin=None)["services"]["web"]["ports"][0] == {"target": 8000, "protocol": "tcp"}


def test_a_variant_is_laid_over_a_service():
    overlay = {
        "web": {
            "environment": {
                "MODE": "wrong",
                "LEVEL": None,
                "PATHS": Template.parse("{{ stack.directory }}:{{ instance.port.http }}", ROOM),
                "TOKEN": Template.parse("${secret:T}", ROOM),
            },
            "command": ("python", "-m", "wrong"),
            "restart": "never",
        },
        "worker": {"replicas": 1, "restart": "never"},
    }
    services = built(overlay)["services"]
    assert services["web"]["environment"] == {"MODE": "wrong", "KEY": "a$b", "PATHS": "/stack:8000", "TOKEN": "<T>"}
    assert (services["web"]["command"], services["web"]["restart"]) == (["python", "-m", "wrong"], "no")
    assert services["worker"]["deploy"] == {"replicas": 1}


def test_a_directory_that_is_nowhere_in_the_container_is_said():
    overlay = {"worker": {"environment": {"P": Template.parse("{{ stack.directory }}", ROOM)}}}
    with pytest.raises(PlatformError, match=r"worker: .* is nowhere in its containers: mount it"):
        built(overlay)


def test_what_is_written_is_private_and_compose_reads_the_same(tmp_path):
    file = tmp_path / "stack" / "project.yaml"
    project.write(built(), file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["services"]["web"]["command"] == ["serve", "$$HOME"]
    assert parse(file.read_text()).content["services"]["web"]["command"] == ["serve", "$HOME"]


def test_a_name_of_ones_own_is_short_and_of_the_directory(tmp_path):
    name = project.own_name("The Jewelry Shop, with a very long name", tmp_path / "a")
    assert name.startswith("seatrial-the-jewelry-shop-with-a-")
    assert len(name) < 45
    assert name != project.own_name("The Jewelry Shop, with a very long name", tmp_path / "b")


def test_copies_of_several_services_are_the_first_of_them():
    printed = """\
name: mine
services:
  db-1: {image: db, x-seatrial: {service: db}}
  db-2: {image: db, x-seatrial: {service: db}}
"""
    services = built({"db": {"replicas": 1}}, printed)["services"]
    assert [services[n]["deploy"]["replicas"] for n in ("db-1", "db-2")] == [1, 0]
    with pytest.raises(PlatformError, match="db is 2 services"):
        built({"db": {"replicas": 3}}, printed)


def test_the_environment_that_files_are_read_with():
    plan = ComposeProject(files=(), directory=Path(), variables={"A": True, "B": None, "N": 2}, secrets=("S", "T"))
    found = surroundings(plan, {"B": "x", "S": "given", "PATH": "/bin"}, {"S": "made", "T": "made"})
    assert found == {
        "A": "true",
        "N": "2",
        "S": "made",
        "T": "made",
        "PATH": "/bin",
    }  # S is what the spec's identities say


def test_compose_is_quoted_without_its_progress():
    said = (
        'time="2026-11-26T18:19:57Z" level=warning msg="x is not set"\n'
        " Container shop-web-1  Starting\n Network shop_default  Created\n#5 [2/3] RUN x\n"
        "dependency failed to start: container shop-web-1 is unhealthy\n"
    )
    assert cli.own_words(said) == "dependency failed to start: container shop-web-1 is unhealthy"
    assert cli.own_words("") == "it said nothing"


def test_a_command_holds_no_secret():
    plan = ComposeProject(
        files=(Path("a.yaml"), Path("b.yaml")), directory=Path("/src"), profiles=("all",), env_files=(Path(".x"),)
    )
    assert cli.command(plan, "mine") == [
        *("docker", "compose", "--ansi", "never", "--project-directory", "/src", "--project-name", "mine"),
        *("--file", "a.yaml", "--file", "b.yaml", "--profile", "all", "--env-file", ".x"),
    ]
