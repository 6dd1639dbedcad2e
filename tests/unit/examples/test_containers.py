"""The examples' images have what the examples are tested with as processes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
EXAMPLES = ("jewelry-shop", "marketplace")
PINS = [file for name in EXAMPLES for file in sorted((ROOT / "examples" / name / "container").glob("*.txt"))]


def locked() -> dict[str, str]:
    with (ROOT / "uv.lock").open("rb") as file:
        return {each["name"]: each["version"] for each in tomllib.load(file)["package"] if "version" in each}


@pytest.mark.parametrize("file", PINS, ids=lambda f: f"{f.parents[1].name}-{f.stem}")
def test_wheels_in_images_are_those_of_the_lock_file(file: Path) -> None:
    known = locked()
    pins = dict(re.fullmatch(r"([a-z0-9-]+)(?:\[.*\])?==(.+)", line).groups() for line in file.read_text().split())
    assert pins == {name: known[name] for name in pins}


@pytest.mark.parametrize("name", EXAMPLES)
def test_containers_are_the_services_of_the_stack_file(name: str) -> None:
    directory = ROOT / "examples" / name
    services = yaml.safe_load((directory / "compose.yaml").read_text())["services"]
    jobs = {n for n in services if n.startswith("migrate")}
    instances = {(each.get("x-seatrial") or {}).get("service", n) for n, each in services.items() if n not in jobs}
    stack = yaml.safe_load((directory / "stack.yaml").read_text())
    brought = {f"{n}-sentinel" for n, each in stack["services"].items() if each.get("sentinels")}
    settings = yaml.safe_load((directory / "compose.yaml").read_text())["x-seatrial"]
    without = set(settings.get("without", {}))
    assert instances | without == set(stack["services"]) | brought
    assert all(stack["services"][name]["optional"] for name in without)
    assert settings.get("links") == stack.get("links")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_service_has_limits_and_a_policy(name: str) -> None:
    services = yaml.safe_load((ROOT / "examples" / name / "compose.yaml").read_text())["services"]
    for service, each in services.items():
        assert each["restart"] == ("on-failure" if service.startswith("migrate") else "unless-stopped"), service
        if not service.startswith("migrate"):
            assert set(each["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, service
