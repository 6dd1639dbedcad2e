"""Which scenarios a change can touch: by their own paths, by those of the services they speak to, or all where nobody said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seatrial.api.selecting import affects, choose, git_changes, is_critical, pattern_of, services_of
from seatrial.api.vocabulary import vocabulary
from seatrial.core.errors import UsageError
from seatrial.core.plan import Plan
from seatrial.core.selections import Wish
from seatrial.spec import compile_spec

SPEC = """\
seatrial: 1
name: shop
stack:
  links: [web -> api]
  services:
    web: {command: "serve {{ api.url }}", ports: auto, paths: [web/**]}
    api: {command: serve, ports: auto, paths: ["api/*.py", shared]}
    job: {command: work}
    db: {kind: postgres}
workloads:
  visits: {http: GET /, at: web, rate: 5/s}
scenarios:
  page: {steps: [{http: GET /, at: web}]}
  only-api: {steps: [{http: GET /, at: api}]}
  cut: {steps: [{fault: cut, at: web -> api}]}
  sql: {steps: [{sql: select 1, at: db, expect: "rows[0][0] == 1"}]}
  job: {steps: [{process: instances, at: job, expect: wanted == 1}]}
  own: {paths: [docs/*.md], steps: [{http: GET /docs, at: web}]}
  driven: {throughout: [visits], steps: [{http: GET /, at: api}], needs: [only-api]}
  soft: {severity: informational, paths: [x], steps: [{http: GET /, at: web}]}
"""
EVERYTHING = {"page", "only-api", "cut", "sql", "job", "own", "driven", "soft"}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "seatrial.yaml").write_text(SPEC)
    return compile_spec(tmp_path / "seatrial.yaml", vocabulary(), environment={})


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("web/pages/home.html", {"page", "cut", "driven"}),
        ("api/shop.py", {"page", "only-api", "cut", "driven"}),  # web depends on api
        ("api/deep/shop.py", set()),
        ("shared/deep/lib.c", {"page", "only-api", "cut", "driven"}),  # a directory: all in it
        ("docs/own.md", {"own"}),
        ("README.md", set()),
    ],
)
def test_what_a_change_can_touch(plan: Plan, path: str, wanted: set[str]) -> None:
    always = {"sql", "job"}  # nobody said what these depend on
    found = {s.id for s in plan.scenarios if affects(plan, s, [plan.stack.directory / path])}
    assert found == wanted | always


def test_services_are_those_of_targets_links_templates_and_clients(plan: Plan) -> None:
    named = {s.id: services_of(plan, s) for s in plan.scenarios}
    assert named["page"] == {"web"}
    assert named["driven"] == {"web", "api"}
    assert named["cut"] == {"web", "api"}


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("app/*.py", "app/x.py", True),
        ("app/*.py", "app/deep/x.py", False),
        ("app/**/*.py", "app/x.py", True),
        ("app/**/*.py", "app/deep/er/x.py", True),
        ("app", "app/deep/x.py", True),
        ("app/", "app/x.py", True),
        ("app", "application/x.py", False),
        ("a?.c", "ab.c", True),
        ("a+b.c", "aab.c", False),
        ("../lib/**", "../lib/x", True),
        ("**", "any/thing", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert (pattern_of(pattern).fullmatch(path) is not None) == matches


def test_critical_ones_can_decide(plan: Plan) -> None:
    assert {s.id for s in plan.scenarios if is_critical(s)} == EVERYTHING - {"soft"}


def git(directory: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=directory, check=True, capture_output=True
    )


def test_since_a_reference(plan: Plan, tmp_path: Path) -> None:
    for name in ("web/a b.html", "api/shop.py", "docs/one.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert git_changes(tmp_path, "HEAD") == []
    (tmp_path / "web/a b.html").write_text("y")
    (tmp_path / "docs/two.md").write_text("new")
    (tmp_path / ".seatrial").mkdir()
    (tmp_path / ".seatrial/history.db").write_text("x")
    assert git_changes(tmp_path, "HEAD") == [tmp_path / "web/a b.html", tmp_path / "docs/two.md"]
    found = choose(plan, (), (), Wish(changed="HEAD"), tmp_path / ".seatrial")
    assert set(found.only) == {"page", "cut", "sql", "job", "own", "driven", "only-api"}  # the last is needed
    assert found.text == "7 of 8 scenarios (--changed=HEAD); left out: soft"
    assert "2 files since HEAD" in found.said[0]
    (tmp_path / "seatrial.yaml").write_text(SPEC + "# changed\n")
    assert choose(plan, (), (), Wish(changed="HEAD"), tmp_path / ".seatrial").text == ""
    for reference in ("nowhere", "--output=x"):
        with pytest.raises(UsageError, match="git"):
            git_changes(tmp_path, reference)


def test_wishes_are_held_against_each_other_and_against_names(plan: Plan, tmp_path: Path) -> None:
    found = choose(plan, ("soft", "page"), (), Wish(critical=True), tmp_path)
    assert found.only == ("page",)
    assert found.text.startswith("1 of 8 scenarios (--critical --only soft --only page); left out: only-api, cut")
    assert choose(plan, ("soft",), (), Wish(critical=True), tmp_path).only == ()


def test_without_a_history_everything_runs(plan: Plan, tmp_path: Path) -> None:
    for wish in (Wish(failed=True), Wish(changed="")):
        found = choose(plan, (), (), wish, tmp_path)
        assert (set(found.only), found.text) == (EVERYTHING, "")
        assert "everything runs" in found.said[0]
