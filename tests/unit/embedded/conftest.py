from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seatrial.core.quantities import Dimension, parse_quantity
from seatrial.core.stack import Blueprint, ServicePlan
from seatrial.core.vocabulary import load
from seatrial.embedded import KINDS
from seatrial.platforms.ground import LocalGround, Site

Expand = Callable[..., Mapping[str, Blueprint]]


class Counted:
    """Ports in order, so that a test can name them; nothing is started."""

    def __init__(self) -> None:
        self._numbers = itertools.count(20001)

    def allocate(self) -> int:
        return next(self._numbers)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(
        directory=tmp_path / "a stack",
        stack_directory=Path("/stack"),
        stack_name="shop",
        ports=Counted(),  # type: ignore[arg-type]
        secret={}.__getitem__,
        on_secret=lambda _: None,
        names_resolve=True,
    )


@pytest.fixture
def expand(site: Site) -> Expand:
    """Expands a service as the platform does, and lets later ones know its exports."""
    kinds = {kind.name: kind for kind in KINDS}

    def make(name: str, kind: str = "", **arguments: object) -> Mapping[str, Blueprint]:
        descriptor = kinds[kind or name]
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        assert not given.keys() - descriptor.arguments.keys(), "an argument that no spec could give"
        plan = ServicePlan(name=name, kind=descriptor.name, arguments=given)
        made = load(descriptor.expand)(plan, given, LocalGround(site, name))
        site.exports.update({blueprint.service: blueprint.exports for blueprint in made})
        assert set(made[0].exports) == set(descriptor.exports), "templates are checked against the descriptor"
        assert set(made[0].roles) <= set(descriptor.roles)
        suffixes = {blueprint.service.removeprefix(name) for blueprint in made[1:]}
        assert suffixes <= set(descriptor.companions)
        return {blueprint.service: blueprint for blueprint in made}

    return make


@pytest.fixture
def duration() -> Callable[[str], object]:
    return lambda text: parse_quantity(text, Dimension.DURATION)


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no server is installed, neither from wheels nor otherwise."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("seatrial.embedded.binaries._POSTGRES_PACKAGES", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
