"""YAML 1.2 with exact positions."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import yaml

from seatrial.core.errors import Problem
from seatrial.spec.nodes import Mapping, Node, Scalar, Sequence, merge, read_text, resolve


def read(text: str) -> Mapping:
    problems: list[Problem] = []
    node = read_text(text, "x.yaml", problems)
    assert not problems, problems
    assert isinstance(node, Mapping)
    return node


def refused(text: str) -> list[Problem]:
    problems: list[Problem] = []
    read_text(text, "x.yaml", problems)
    assert problems
    return problems


def scalar(node: Node | None) -> Scalar:
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("y", "y"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("2026-11-20", "2026-11-20"),
        ("0b11", "0b11"),
        ("30s", "30s"),
        ("<<", "<<"),
        ("9" * 5000, math.inf),
    ],
)
def test_plain_scalars_are_resolved_by_the_core_schema(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_quoted_and_tagged_scalars_are_text() -> None:
    node = read("a: \"1\"\nb: 'true'\nc: !!str 5\nd: |\n  12\n")
    assert [scalar(value).value for _, value in node] == ["1", "true", "5", "12\n"]


def test_positions_are_those_of_the_characters() -> None:
    text = 'name: shop\n"größe":   "ä {{ b }}"\nlist:\n  - a\n  - [b, c]\n'
    node = read(text)
    keys = {key.text: (key.line, key.column, key.length) for key, _ in node}
    assert keys == {"name": (1, 1, 4), "größe": (2, 2, 5), "list": (3, 1, 4)}
    value = scalar(node.get("größe"))
    assert (value.line, value.column, value.length) == (2, 13, 9)
    assert value.source.line(2)[value.column - 1 :].startswith("ä {{ b }}")
    inner = node.get("list")
    assert isinstance(inner, Sequence)
    assert [(i.line, i.column) for i in inner.items] == [(4, 5), (5, 5)]


def test_an_anchor_or_a_tag_is_no_part_of_the_value() -> None:
    node = read("a: &anchor value\nb: *anchor\nc: !!str 12\n")
    assert [(scalar(v).line, scalar(v).column, scalar(v).length) for _, v in node] == [
        (1, 12, 5),
        (1, 12, 5),
        (3, 10, 2),
    ]


def test_a_text_over_several_lines_points_at_its_beginning() -> None:
    value = scalar(read("a: first\n  second\n").get("a"))
    assert (value.line, value.column, value.length, value.exact) == (1, 4, 1, False)


def test_escapes_make_offsets_inexact() -> None:
    assert not scalar(read(r'a: "x\ty {{ b }}"').get("a")).exact


def test_a_duplicate_key_names_the_first() -> None:
    (problem,) = refused("a: 1\nb: 2\na: 3\n")
    assert (str(problem.position), problem.message, problem.hint) == (
        "x.yaml:3:1",
        '"a" is here twice',
        "first in line 1",
    )


def test_anchors_are_copies_and_merged_keys_yield() -> None:
    node = read("base: &base {a: 1, b: 2}\nnext: {<<: *base, b: 3}\n")
    following = node.get("next")
    assert isinstance(following, Mapping)
    assert {key.text: scalar(value).value for key, value in following} == {"a": 1, "b": 3}


def test_a_cycle_is_refused() -> None:
    (problem,) = refused("a: &a [1, *a]\n")
    assert problem.message == "an alias of what it is in"


def test_aliases_cannot_explode() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.perf_counter()
    (problem,) = refused("\n".join(levels))
    assert "aliases make more than" in problem.message
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_depth_is_bounded(opening: str) -> None:
    assert any("nested too deeply" in p.message or "YAML" in p.message for p in refused(opening * 5000))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb:\n\t- 2\n", (3, 1)),
        ("a: b: c\n", (1, 5)),
        ("a: [1, 2\n", (1, 9)),
        ("a: 1\n---\nb: 2\n", (2, 1)),
        ("a: *nothing\n", (1, 4)),
        ("a: @b\n", (1, 4)),
        ("a: 'b\n", (1, 4)),
        ("a: 1\nb: x\x07y\n", (2, 5)),
        ("? [a]\n: b\n", (1, 3)),
        ("a: !thing b\n", (1, 4)),
    ],
)
def test_what_is_no_yaml_is_placed(text: str, place: tuple[int, int]) -> None:
    position = refused(text)[0].position
    assert position is not None
    assert (position.line, position.column) == place


def flattened(node: Node) -> list[tuple[object, ...]]:
    match node:
        case Mapping():
            inner = [x for key, value in node for x in (*flattened(key), *flattened(value))]
        case Sequence():
            inner = [x for item in node.items for x in flattened(item)]
        case Scalar():
            return [(node.line, node.column, node.length, node.text, node.plain, node.exact)]
        case _:
            inner = []
    return [(type(node).__name__, node.line, node.column, node.length), *inner]


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "right").glob("*.yaml")), ids=lambda p: p.stem)
def test_without_libyaml_it_is_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = file.read_text(encoding="utf-8") + "\nlast: {a: &x 'é', b: *x, c: !!str 1, d: \"x\\ty\"}\n"
    with_libyaml = flattened(read(text))
    monkeypatch.setattr("seatrial.spec.nodes._Composer", yaml.BaseLoader)
    assert flattened(read(text)) == with_libyaml


@pytest.mark.parametrize(
    "text", ["a: b: c", "a: [1", "a: *x", "a: @b", "a: 1\n---\nb: 2", "a:\n\t- b", "a: 'b", "a: x\x07"]
)
def test_without_libyaml_mistakes_read_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_libyaml = [p.message for p in refused(text)]
    monkeypatch.setattr("seatrial.spec.nodes._Composer", yaml.BaseLoader)
    assert [p.message for p in refused(text)] == with_libyaml


def test_an_empty_document_is_an_empty_mapping() -> None:
    assert read("# nothing\n").entries == {}


def test_an_overlay_merges_replaces_and_removes_and_keeps_positions() -> None:
    base = read("a: {x: 1, y: 2, z: 3}\nb: [1, 2]\nc: 1\n")
    problems: list[Problem] = []
    over = read_text("a: {y: 20, z: null}\nb: [3]\nd: 4\n", "over.yaml", problems)
    assert over is not None
    merged = merge(base, over)
    assert isinstance(merged, Mapping)
    a, b = merged.get("a"), merged.get("b")
    assert isinstance(a, Mapping)
    assert isinstance(b, Sequence)
    assert {key.text: scalar(value).value for key, value in a} == {"x": 1, "y": 20}
    assert [scalar(i).value for i in b.items] == [3]
    assert {key.text: key.source.name for key, _ in merged} == {
        "a": "over.yaml",
        "b": "over.yaml",
        "c": "x.yaml",
        "d": "over.yaml",
    }
    assert [str(v.position()) for v in (a.entries["x"].value, a.entries["y"].value)] == ["x.yaml:1:8", "over.yaml:1:8"]
