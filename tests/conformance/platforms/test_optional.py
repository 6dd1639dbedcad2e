"""Services that may be missing: the stack is whole without them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import pytest

from seatrial.core.errors import NotExercised
from seatrial.core.links import KIND
from seatrial.core.platforms import Lacks, Progress
from seatrial.core.stack import ServicePlan
from seatrial.core.vocabulary import ServiceKind
from seatrial.engine.steady import unready


@pytest.fixture
def searching(monkeypatch: pytest.MonkeyPatch) -> ServiceKind:
    """A kind whose software is not here."""
    module = ModuleType("searching_kind")

    def expand(*_: object) -> Sequence[object]:
        raise NotExercised("a search engine comes in no wheel")

    module.expand = expand  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "searching_kind", module)
    return ServiceKind(name="searching", doc="", arguments={}, expand="searching_kind:expand", exports=("url", "host"))


SEARCH = ServicePlan(name="search", kind="searching", arguments={}, optional=True)
LINK = ServicePlan(
    name="web -> search", kind=KIND, arguments={"from": "web", "to": "search"}, after=("search",), optional=True
)


async def test_without_its_software_the_others_start_and_are_told_of_none(bench, kit, searching):
    web = replace(kit.shop(environment={"SEARCH": "<{{ search.url }}>"}), after=("search", "web -> search"))
    platform = await bench.local(web, SEARCH, LINK, kinds=[searching])
    told: list[Progress] = []
    await platform.up(told.append)
    views = await platform.survey()
    assert set(views) == {"web"}
    assert isinstance(platform, Lacks)
    why = "a search engine comes in no wheel"
    assert platform.lacking == {"search": why, "web -> search": why}
    assert [(p.subject, p.detail) for p in told if p.state == "absent"] == [("search", why), ("web -> search", why)]
    result = await platform.execute(views["web"].instances[0], ["printenv", "SEARCH"], 5_000_000_000)
    assert result.stdout.strip() == "<>"


async def test_what_is_not_optional_is_missed(bench, searching):
    platform = await bench.local(replace(SEARCH, optional=False), kinds=[searching])
    with pytest.raises(NotExercised, match="a search engine comes in no wheel"):
        await platform.up(lambda _: None)


async def test_a_program_that_is_not_here_is_missed_before_it_is_started(bench, kit):
    platform = await bench.local(kit.shop(), replace(kit.process("odd", "no-such-program --port 1"), optional=True))
    await platform.up(lambda _: None)
    assert platform.lacking == {"odd": "the program no-such-program is not on PATH"}


async def test_one_that_does_not_come_holds_up_nobody_who_depends_on_it(bench, kit):
    bad = replace(kit.shop("odd", ready=kit.check("/missing", within_s=1.0)), optional=True)
    web = kit.process("web", "python shop.py {{ instance.port.http }}", ports="auto", ready=kit.check(), after=["odd"])
    platform = await bench.local(web, bad)
    told: list[Progress] = []
    await platform.up(told.append)
    states = {(p.subject, p.state) for p in told if p.state in ("ready", "given up")}
    assert states == {("web", "ready"), ("odd", "given up")}  # had web waited, it would never have been started
    assert "odd is not ready after 1s" in next(p.detail for p in told if p.state == "given up")
    views = await platform.survey()
    assert views["odd"].optional
    assert not views["odd"].instances[0].ready
    assert unready(views["odd"]) == ""
