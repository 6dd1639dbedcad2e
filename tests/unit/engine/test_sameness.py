"""Two runs are of the same load where they ask for the same; what only judges them, or who sends them, does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seatrial.api.users import select_users
from seatrial.api.vocabulary import vocabulary
from seatrial.core.plan import Plan
from seatrial.engine.sameness import digest_of
from seatrial.spec import compile_spec

SPEC = """\
seatrial: 1
name: shop
stack: {remote: {services: {web: 'http://127.0.0.1:8000', other: 'http://127.0.0.1:8001'}}}
values: {size: 10, unused: 1}
secrets: {token: {env: TOKEN}}
identities: {buyer: {headers: {X-Token: '${secret:token}'}}}
loads:
  mix:
    requests:
      - {http: GET /, tag: home, weight: 3}
      - {http: 'GET /items?n={{ size }}', headers: {X-Trial: '{{ trial.id }}'}, as: buyer}
    at: web
    users: 10
    think: 100ms
    for: 10s
    warm-up: 1s
  written: {script: 'users.py:visitor', at: web, users: 5, for: 5s}
  flow:
    at: web
    rate: 5/s
    for: 5s
    data: {item: items.csv}
    tasks:
      read: {tags: [read], steps: [{http: 'GET /{{ item.id }}'}]}
      write: {tags: [write], steps: [{http: POST /, json: {a: 1}}]}
scenarios:
  one: {steps: [{load: mix}], expect: {fast: mix.p95 < 1s}}
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    (tmp_path / "users.py").write_text("def visitor():\n    yield None\n")
    (tmp_path / "items.csv").write_text("id\n1\n2\n")
    return tmp_path


def plan_of(directory: Path, text: str) -> Plan:
    (directory / "seatrial.yaml").write_text(text)
    return compile_spec(directory / "seatrial.yaml", vocabulary(), environment={"TOKEN": "x"})


def digests(plan: Plan) -> Mapping[str, str]:
    return {name: digest_of(plan, load) for name, load in plan.loads.items()}


def changed(directory: Path, old: str, new: str) -> set[str]:
    """Loads that are others where the spec says `new` in place of `old`."""
    assert SPEC.count(old) == 1
    before = digests(plan_of(directory, SPEC))
    after = digests(plan_of(directory, SPEC.replace(old, new)))
    return {n for n in before if before[n] != after[n]}


@pytest.mark.parametrize(
    ("old", "new", "load"),
    [
        ("{http: GET /, tag", "{http: GET /report, tag", "mix"),
        ("weight: 3", "weight: 4", "mix"),
        ("think: 100ms", "think: 1s", "mix"),
        ("users: 10", "users: 11", "mix"),
        ("for: 10s", "for: 20s", "mix"),
        ("warm-up: 1s", "warm-up: 2s", "mix"),
        ("warm-up: 1s", "warm-up: 1s\n    protocol: http2", "mix"),
        ("headers: {X-Trial: '{{ trial.id }}'}, ", "", "mix"),
        (", as: buyer", "", "mix"),
        ("X-Token: '${secret:token}'", "X-Token: none", "mix"),
        ("size: 10", "size: 1000", "mix"),
        ("POST /, json: {a: 1}", "POST /, json: {a: 2}", "flow"),
        ("data: {item: items.csv}", "data: {item: items.csv}\n    cookies: false", "flow"),
        ("users.py:visitor", "users.py:other", "written"),
    ],
)
def test_what_is_asked_for_is_told_apart(compiled: Path, old: str, new: str, load: str) -> None:
    assert changed(compiled, old, new) == {load}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: shop", "# a remark\n\nname: boutique"),
        ("web: 'http://127.0.0.1:8000'", "web: 'http://127.0.0.1:9999'"),
        ("unused: 1", "unused: 2"),
        ("warm-up: 1s", "warm-up: 1s\n    window: 2s\n    workers: 2\n    baseline: last-good"),
        ("mix.p95 < 1s", "mix.p95 < 2s"),
    ],
)
def test_what_judges_it_or_where_it_is_makes_no_other_load(compiled: Path, old: str, new: str) -> None:
    assert changed(compiled, old, new) == set()


@pytest.mark.parametrize(("file", "load"), [("users.py", "written"), ("items.csv", "flow")])
def test_files_count_by_what_is_in_them(compiled: Path, file: str, load: str) -> None:
    before = digests(plan_of(compiled, SPEC))
    with (compiled / file).open("a") as opened:
        opened.write("3\n")
    after = digests(plan_of(compiled, SPEC))
    assert {n for n in before if before[n] != after[n]} == {load}


def test_users_that_are_left_out_make_another_load(compiled: Path) -> None:
    plan = plan_of(compiled, SPEC)
    whole, reading = digests(plan), digests(select_users(plan, (), ("write",)))
    assert {n for n in whole if whole[n] != reading[n]} == {"flow"}
    assert digests(select_users(plan, ("read",), ()))["flow"] == reading["flow"]


def test_a_file_that_is_gone_has_no_digest(compiled: Path) -> None:
    plan = plan_of(compiled, SPEC)
    (compiled / "users.py").unlink()
    with pytest.raises(OSError, match=r"users\.py"):
        digests(plan)
