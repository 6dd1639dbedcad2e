"""Stacks of Docker Compose, as a person uses them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SHOP = Path(__file__).parents[1] / "conformance/platforms/shop.pl"
COMPOSE = f"""\
services:
  web:
    image: debian:bookworm
    command: [perl, /shop.pl, "8000"]
    environment: {{WHO: "${{TOKEN:?of the shop}} ${{MODE:-right}}"}}
    volumes: ["{SHOP}:/shop.pl:ro"]
    ports: ["127.0.0.1::8000"]
    restart: always
    x-seatrial: {{ready: {{http: GET /ready, expect: status == 200}}, variables: {{mode: MODE}}}}
"""
SPEC = """\
seatrial: 1
name: shop
stack: {services: {web: {command: serve, ports: auto, mode: right}}}
secrets: {TOKEN: {generate: 24}}
workloads: {visits: {http: GET /pid, at: web, rate: 50/s, timeout: 2s}}
throughout: [visits]
scenarios:
  looks:
    steps:
      - {http: GET /pid, at: web, expect: status == 200}
      - {command: "true {{ web.url }}", expect: exit == 0}
  crash:
    steps:
      - {fault: kill, at: web#1, id: killed}
      - {process: instances, at: web *, expect: ready == wanted and restarts == 1, within: 30s}
      - {log: "as .* right", at: web, expect: count == 1, within: 5s, id: right}
    expect: {short: visits.outage.longest < 20s}
  pause:
    steps:
      - {fault: pause, at: web#1, id: paused}
      - {http: GET /pid, at: web, expect: error == "timeout", timeout: 500ms, id: silent}
      - {heal: paused}
      - {http: GET /pid, at: web, expect: status == 200, within: 10s, id: again}
"""
VARIANT = """\
variant: wrong
title: it runs in the wrong mode
only: [crash]
stack: {services: {web: {mode: wrong}}}
red: {crash/right: count}
"""


def test_without_docker_a_compose_file_says_what_is_wanted(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}}\n")
    (tmp_path / "seatrial.yaml").write_text(
        "seatrial: 1\nstack: {compose: compose.yaml}\nscenarios: {up: {steps: [{http: GET /, at: web}]}}\n"
    )
    done = seatrial("lint", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "seatrial.yaml:2:8: docker compose cannot be run" in done.stderr
    assert "Docker Compose v2 is wanted" in done.stderr


@pytest.mark.docker
def test_the_same_scenarios_run_on_containers_and_a_variant_is_noticed(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "seatrial.yaml").write_text(SPEC.replace(", mode: right", ""))
    (tmp_path / "variants").mkdir()
    (tmp_path / "variants/wrong.yaml").write_text(VARIANT)
    assert seatrial("plan", "--stack", "compose.yaml").stdout.startswith("shop on platform compose: web")
    done = seatrial("run", "--stack", "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = seatrial("variants", ".", "--stack", "compose.yaml", "--no-control")
    assert done.returncode == 0, done.stdout + done.stderr
    names = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}} {{.Labels}}"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in names.stdout


@pytest.mark.docker
def test_a_directory_with_a_compose_file_alone_is_brought_up_kept_and_ended(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE.replace("${TOKEN:?of the shop}", "web"))
    done = seatrial("up", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web#1                  http://127.0.0.1:" in done.stdout
    [status] = json.loads(seatrial("status", "--json").stdout)
    assert status["kept"]
    assert status["project"].startswith("seatrial-")
    done = seatrial("check", "http: GET /ready", "--at", "web", "--expect", "status == 200")
    assert done.returncode == 0, done.stdout + done.stderr
    down = seatrial("down")
    assert (down.returncode, down.stdout.endswith("ended, nothing remains\n")) == (0, True)
