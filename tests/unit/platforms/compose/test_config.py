"""What `docker compose config` prints, in our words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import UsageError
from seatrial.core.processes import Restart
from seatrial.core.stack import After, Limits, Volume
from seatrial.platforms.compose.config import Port, duration_s, guess_endpoints, guess_kind, inside, parse
from seatrial.platforms.compose.reading import known

PRINTED = """\
name: shop
services:
  db-1: &db
    image: registry.test/library/postgres:16
    environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: "a$$b", POSTGRES_DB: shop, HOME: null}
    expose: ["5432"]
    healthcheck: {test: [CMD, pg_isready], interval: 1s}
    restart: unless-stopped
    x-seatrial: {service: db}
  db-2:
    <<: *db
    depends_on: {db-1: {condition: service_started, required: true}}
  migrate:
    image: shop
    build: {context: /src}
    depends_on: {db-1: {condition: service_healthy, required: true}}
  web:
    image: shop
    deploy: {replicas: 3, resources: {limits: {cpus: 0.5, memory: "104857600", pids: 50}}}
    depends_on: {migrate: {condition: service_completed_successfully, required: true}}
    ports:
      - {mode: ingress, target: 8000, protocol: tcp}
      - {mode: ingress, target: 90, published: "9000", protocol: tcp}
      - {mode: ingress, target: 53, published: "5353", protocol: udp}
    stop_grace_period: 1m30s
    tmpfs: [/tmp:size=1m]
    volumes:
      - {type: volume, source: data, target: /data, volume: {}}
      - {type: bind, source: /src, target: /stack, read_only: true}
x-seatrial: {directory: /srv}
"""


def test_services_promise_what_their_file_says():
    config = parse(PRINTED)
    assert (config.name, config.settings) == ("shop", {"directory": "/srv"})
    web = config.services["web"]
    declared = web.declaration
    assert (declared.replicas, declared.restart, declared.health) == (3, Restart.NEVER, False)
    assert declared.limits == Limits(cpus=0.5, memory_bytes=100 << 20, pids=50)
    assert declared.after == {"migrate": After.COMPLETED}
    assert declared.ports == {8000: None, 90: 9000, 53: 5353}
    assert declared.volumes == (
        Volume(target="/data", source="data"),
        Volume(target="/stack", source="/src", read_only=True),
        Volume(target="/tmp", kept=False),
    )
    assert web.endpoints == {"http": Port(number=8000, scheme="http"), "http-90": Port(number=90, scheme="http")}
    assert web.stop_s == 90
    db = config.services["db-1"]
    assert (db.kind, db.declaration.restart, db.declaration.health) == ("postgres", Restart.ALWAYS, True)
    assert db.parameters == {"user": "shop", "password": "a$b", "dbname": "shop"}
    assert "HOME" not in db.declaration.environment
    assert db.endpoints == {"postgres": Port(number=5432, scheme="postgres")}


def test_services_that_are_instances_of_one_and_jobs_that_are_none():
    file = known(parse(PRINTED))
    assert file.jobs == ("migrate",)
    assert list(file.services) == ["db", "web"]
    db, web = file.services["db"], file.services["web"]
    assert (db.members, db.count, db.after) == (("db-1", "db-2"), 2, ())
    assert (web.count, web.after) == (3, ("db",))  # it waits for what the job waits for


def test_where_the_stacks_directory_is_in_a_container():
    config = parse(PRINTED)
    web, db = config.services["web"], config.services["db-1"]
    assert inside(web, Path("/src"), None) == "/stack"
    assert inside(web, Path("/src"), "/srv") == "/srv"
    assert inside(db, Path("/src"), None) is None


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("postgres:16", "postgres"),
        ("ghcr.io/zalando/spilo-16@sha256:00", "process"),
        ("bitnami/redis:7", "redis"),
        ("quay.io/coreos/etcd:v3.5", "etcd"),
        ("localhost:5000/caddy", "caddy"),
        ("my-postgres-exporter", "process"),
        ("", "process"),
    ],
)
def test_a_kind_is_guessed_by_the_images_name(image, kind):
    assert guess_kind(image) == kind


def test_endpoints_are_guessed_by_their_ports_and_by_the_kind():
    found = guess_endpoints("postgres", [5432, 8008])
    assert found == {"postgres": Port(number=5432, scheme="postgres"), "api": Port(number=8008, scheme="http")}
    assert guess_endpoints("redis", []) == {"redis": Port(number=6379, scheme="redis")}
    assert guess_endpoints("process", []) == {}


@pytest.mark.parametrize(("policy", "restart"), [("always", "always"), ("on-failure:3", "on-failure"), ("no", "never")])
def test_restart_policies(policy, restart):
    config = parse(f'services: {{a: {{image: x, restart: "{policy}"}}}}')
    assert config.services["a"].declaration.restart == Restart(restart)


def test_a_policy_of_deploy_counts_where_there_is_no_other():
    text = "services: {a: {image: x, deploy: {restart_policy: {condition: on-failure}}}}"
    assert parse(text).services["a"].declaration.restart is Restart.ON_FAILURE
    assert parse("services: {a: {image: x, deploy: {restart_policy: {}}}}").services["a"].declaration.restart is (
        Restart.ALWAYS
    )


def test_a_health_check_that_is_switched_off_is_none():
    for text in ("{disable: true}", "{test: [NONE]}", "null"):
        assert not parse(f"services: {{a: {{image: x, healthcheck: {text}}}}}").services["a"].declaration.health


def test_nothing_at_all_is_no_project():
    with pytest.raises(UsageError, match="no services"):
        parse("name: empty\nservices: {}\n")


@given(
    hours=st.integers(0, 50), minutes=st.integers(0, 59), seconds=st.integers(0, 59), milliseconds=st.integers(1, 999)
)
def test_durations_as_compose_prints_them(hours, minutes, seconds, milliseconds):
    wanted = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    assert duration_s(f"{hours}h{minutes}m{seconds}s{milliseconds}ms", 7) == pytest.approx(wanted)
    assert duration_s(None, 7) == 7


def test_a_password_may_be_in_a_secrets_file(tmp_path):
    (tmp_path / "password.txt").write_text("db-78n9n\n")
    printed = f"""
name: mine
services:
  db: {{image: postgres, environment: {{POSTGRES_DB: example, POSTGRES_PASSWORD_FILE: /run/secrets/db-password}}}}
  other: {{image: postgres, environment: {{POSTGRES_PASSWORD_FILE: /run/secrets/unknown}}}}
secrets: {{db-password: {{name: mine_db-password, file: {tmp_path}/password.txt}}, elsewhere: {{external: true}}}}
"""
    services = parse(printed).services
    assert services["db"].parameters == {"dbname": "example", "password": "db-78n9n"}
    assert services["other"].parameters == {}
