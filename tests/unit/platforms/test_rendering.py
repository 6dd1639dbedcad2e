from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.errors import PlatformError
from seatrial.core.templates import Template
from seatrial.platforms.ground import LocalGround, Site
from seatrial.platforms.rendering import parse_command, render_command, render_mapping, render_text, settle


@pytest.fixture
def told():
    return []


@pytest.fixture
def ground(tmp_path, told):
    site = Site(
        directory=tmp_path,
        stack_directory=Path("/stack"),
        stack_name="shop",
        ports=None,
        secret={"TOKEN": "it's 100% $HOME"}.__getitem__,
        on_secret=told.append,
        exports={"db": {"dsn": "host=a port=1", "host": "db"}},
    )
    return LocalGround(site, "web")


def command(text, ground, **values):
    return render_command(parse_command(Template.parse(text)), ground, values)


def test_a_line_is_split_before_values_are_put_in(ground):
    assert command("serve --dsn {{ db.dsn }} --host={{db.host}} 'a b' \"${secret:TOKEN}\"", ground) == [
        "serve",
        "--dsn",
        "host=a port=1",
        "--host=db",
        "a b",
        "it's 100% $HOME",
    ]


def test_a_line_without_values_is_split_too(ground):
    assert command("serve --name 'the shop' x\\ y", ground) == ["serve", "--name", "the shop", "x y"]


def test_a_list_is_taken_word_by_word(ground):
    words = ("serve", Template.parse("{{ db.dsn }}"), 8080)
    assert render_command(parse_command(words), ground, {}) == ["serve", "host=a port=1", "8080"]


def test_an_open_quotation_is_refused(ground):
    with pytest.raises(PlatformError, match="cannot be split into words: No closing quotation"):
        parse_command("serve 'the shop")


def test_several_values_may_be_in_one_word(ground):
    assert command("{{ db.host }}:{{ instance.ordinal }}/{{ db.host }}", ground, instance={"ordinal": 2}) == ["db:2/db"]


def test_values_keep_their_text(ground):
    assert render_text(Template.parse("{{ x }}"), ground, {"x": True}) == "true"
    assert render_text(Template.parse("{{ x }}"), ground, {"x": 8080}) == "8080"
    assert render_mapping({"A": Template.parse("{{ stack.name }} in {{ stack.directory }}")}, ground, {}) == {
        "A": "shop in /stack"
    }
    assert render_mapping(None, ground, {}) == {}


def test_what_speaks_of_an_instance_waits_for_it(ground):
    per_instance = Template.parse("{{ instance.port.http }} {{ db.host }}")
    tree = {"a": Template.parse("{{ db.host }}"), "b": [per_instance, "plain"], "c": 3}
    assert settle(tree, ground) == {"a": "db", "b": (per_instance, "plain"), "c": 3}


def test_secrets_that_are_used_are_told_to_the_redactor(ground, told):
    command("serve ${secret:TOKEN}", ground)
    assert told == ["it's 100% $HOME"]
    made = ground.secret("admin")
    assert made == ground.secret("admin") != ground.secret("replication")
    assert made.isalnum()
    assert len(made) == 24
    assert told[1:] == [made, ground.secret("replication")]


def test_exports_of_a_service_that_is_not_earlier_are_refused(ground):
    assert ground.exports("db")["host"] == "db"
    with pytest.raises(PlatformError, match="web needs to know cache: add it to `after` of web"):
        ground.exports("cache")
