"""What a plan tests: which files, which configuration, which environment; and nothing that tells a secret."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.attestation.fingerprinting import PlanFingerprinter, changed_since, directories, installation_key
from seatrial.core.fingerprints import TESTED, Part, changed_parts
from seatrial.core.plan import FilesTested, Plan
from seatrial.core.stack import ServicePlan


def fingerprinter(plan: Plan, root: Path, name: str = "one", **more: object) -> PlanFingerprinter:
    trial = root / ".seatrial/trials" / name
    trial.mkdir(parents=True)
    return PlanFingerprinter(**{"plan": plan, "version": "1", "directory": trial, "secret": dict, **more})


def test_nothing_changes_by_itself(plan: Plan, tmp_path: Path) -> None:
    looking = fingerprinter(plan, tmp_path)
    found = looking.begin()
    assert set(found.groups) == {"spec", "web (app)"}
    assert looking.changes() == []


@pytest.mark.parametrize(
    ("path", "told"), [("app/shop.py", "web (app): shop.py changed"), ("seatrial.yaml", "spec: seatrial.yaml changed")]
)
def test_a_change_is_told_with_where(plan: Plan, tmp_path: Path, path: str, told: str) -> None:
    looking = fingerprinter(plan, tmp_path)
    looking.begin()
    (tmp_path / path).write_text("other\n")
    assert looking.changes() == [told]


def test_trials_are_no_part_of_it(plan: Plan, tmp_path: Path) -> None:
    web = plan.stack.services["web"]
    stack = replace(plan.stack, services={"web": replace(web, arguments={"directory": "."})})
    looking = fingerprinter(replace(plan, stack=stack), tmp_path / "elsewhere", name="one")
    looking.plan = replace(plan, stack=replace(stack, directory=tmp_path))
    looking.begin()
    (looking.directory / "journal.jsonl").write_text("x")
    assert looking.changes() == []


def test_environments_are_keyed_hashes(plan: Plan, tmp_path: Path) -> None:
    values = {"API_KEY": "very-secret"}
    looking = fingerprinter(plan, tmp_path, secret=lambda: dict(values))
    found = looking.begin()
    assert set(found.environment) == {"web: PASSWORD", "web: MODE", "secret API_KEY"}
    written = (looking.directory / TESTED).read_text()
    assert "tide" not in written
    assert "very-secret" not in written
    other = fingerprinter(plan, tmp_path / "elsewhere", secret=lambda: dict(values)).begin()
    assert other.environment != found.environment  # another key: it cannot be tried out
    assert other.digest() == found.digest()  # and yet the same was tested
    values["API_KEY"] = "rotated"
    assert looking.changes() == ["secret API_KEY has another value"]


def test_the_key_is_private_and_lasts(tmp_path: Path) -> None:
    key = installation_key(tmp_path)
    assert installation_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_configuration_tells_plans_apart(plan: Plan, tmp_path: Path) -> None:
    one = fingerprinter(plan, tmp_path, "one").begin()
    other = fingerprinter(replace(plan, values={"rate": 50}), tmp_path, "two").begin()
    assert one.configuration != other.configuration
    assert one.digest() != other.digest()


def test_directories_inside_others_are_parts_of_them(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "app/worker").mkdir()
    services = {
        **plan.stack.services,
        "worker": ServicePlan(name="worker", kind="process", arguments={"directory": "app/worker"}),
        "db": ServicePlan(name="db", kind="postgres", arguments={}),
    }
    found = directories(replace(plan, stack=replace(plan.stack, services=services)))
    assert found == {tmp_path / "app": ["web"]}


def test_more_files_by_name(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/lib.py").write_text("x")
    (tmp_path / "conf.toml").write_text("x")
    looking = fingerprinter(replace(plan, tested=FilesTested(also=("shared", "*.toml"))), tmp_path)
    assert {"shared", "other files"} <= looking.begin().groups.keys()
    (tmp_path / "conf.toml").write_text("y")
    (tmp_path / "shared/more.py").write_text("y")
    assert looking.changes() == ["shared: more.py appeared", "other files: conf.toml changed"]


def test_a_kept_stack_that_runs_older_files_is_told(plan: Plan, tmp_path: Path) -> None:
    before = fingerprinter(plan, tmp_path, "stack")
    before.begin()
    (tmp_path / "app/shop.py").write_text("newer\n")
    looking = fingerprinter(plan, tmp_path, "trial", since=before.directory)
    looking.begin()
    assert looking.changes() == ["web (app): shop.py is not what it was when the stack was brought up"]


def test_changes_since_an_earlier_trial(plan: Plan, tmp_path: Path) -> None:
    before = fingerprinter(plan, tmp_path)
    before.begin()
    assert changed_since(plan, before.directory) == []
    (tmp_path / "app/shop.py").write_text("newer\n")
    (tmp_path / "app/more.py").write_text("new\n")
    assert changed_since(plan, before.directory) == [tmp_path / "app/more.py", tmp_path / "app/shop.py"]
    assert changed_since(plan, tmp_path / "nowhere") is None


def test_parts_that_changed() -> None:
    one = Part(subject="web#1", name="python", digest="sha256:aa", version="3.11")
    other = replace(one, digest="sha256:bb", version="3.12")
    assert changed_parts([one], [one, replace(other, subject="web#2")]) == []
    assert changed_parts([one], [other]) == ["web#1 runs python 3.12 sha256:bb, and ran python 3.11 sha256:aa"]
