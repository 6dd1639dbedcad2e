"""What a plan tests: which files, which configuration, which environment; and nothing that tells a secret."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.attestation.fingerprinting import (
    PlanFingerprinter,
    Since,
    changed_since,
    directories,
    installation_key,
    write_parts,
)
from seatrial.core.fingerprints import TESTED, OpenFile, Part, changed_parts
from seatrial.core.plan import FilesTested, Plan
from seatrial.core.stack import ServicePlan


def fingerprinter(plan: Plan, root: Path, name: str = "one", **more: object) -> PlanFingerprinter:
    trial = root / ".seatrial/trials" / name
    trial.mkdir(parents=True)
    return PlanFingerprinter(**{"plan": plan, "version": "1", "directory": trial, "secret": dict, **more})


def told_by(looking: PlanFingerprinter) -> list[str]:
    return list(looking.drift({}).changes)


def test_nothing_changes_by_itself(plan: Plan, tmp_path: Path) -> None:
    looking = fingerprinter(plan, tmp_path)
    found = looking.begin()
    assert set(found.groups) == {"spec", "web (app)"}
    assert told_by(looking) == []


@pytest.mark.parametrize(
    ("path", "told"), [("app/shop.py", "web (app): shop.py changed"), ("seatrial.yaml", "spec: seatrial.yaml changed")]
)
def test_a_change_is_told_with_where(plan: Plan, tmp_path: Path, path: str, told: str) -> None:
    looking = fingerprinter(plan, tmp_path)
    looking.begin()
    (tmp_path / path).write_text("other\n")
    assert told_by(looking) == [told]


def test_trials_are_no_part_of_it(plan: Plan, tmp_path: Path) -> None:
    web = plan.stack.services["web"]
    stack = replace(plan.stack, services={"web": replace(web, arguments={"directory": "."})})
    looking = fingerprinter(replace(plan, stack=stack), tmp_path / "elsewhere", name="one")
    looking.plan = replace(plan, stack=replace(stack, directory=tmp_path))
    looking.begin()
    (looking.directory / "journal.jsonl").write_text("x")
    assert told_by(looking) == []


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
    assert told_by(looking) == ["secret API_KEY has another value"]


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
    assert told_by(looking) == ["shared: more.py appeared", "other files: conf.toml changed"]


def test_a_kept_stack_that_runs_older_files_is_told(plan: Plan, tmp_path: Path) -> None:
    before = fingerprinter(plan, tmp_path, "stack")
    before.begin()
    (tmp_path / "app/shop.py").write_text("newer\n")
    looking = fingerprinter(
        plan, tmp_path, "trial", since=[Since(directory=before.directory, when="when the stack was brought up")]
    )
    looking.begin()
    assert told_by(looking) == ["web (app): shop.py is not what it was when the stack was brought up"]


def test_rounds_are_held_against_the_first_one(plan: Plan, tmp_path: Path) -> None:
    values = {"API_KEY": "one"}
    first = fingerprinter(plan, tmp_path, "first", secret=lambda: dict(values))
    first.begin()
    python = Part(subject="web#1", name="python", digest="sha256:aa")
    write_parts(first.directory, [python])
    since = [Since(directory=first.directory, when="in the first round", whole=True)]
    same = fingerprinter(plan, tmp_path, "second", secret=lambda: dict(values), since=since)
    same.begin()
    assert same.drift({}, [python]).changes == []
    values["API_KEY"] = "two"
    (tmp_path / "seatrial.yaml").write_text("seatrial: 1 # other\n")
    (tmp_path / "app/shop.py").unlink()
    other = replace(plan, values={"rate": 50})
    looking = fingerprinter(other, tmp_path, "third", secret=lambda: dict(values), since=since, version="2")
    looking.begin()
    assert looking.drift({}, [replace(python, digest="sha256:bb")]).changes == [
        "the configuration as compiled is not what it was in the first round",
        "seatrial is 2, and was 1 in the first round",
        "secret API_KEY has not the value that it had in the first round",
        "spec: seatrial.yaml is not what it was in the first round",
        "web (app): shop.py is not what it was in the first round",
        "web#1 runs python sha256:bb, and ran python sha256:aa in the first round",
    ]
    gone = fingerprinter(plan, tmp_path, "x", since=[replace(since[0], directory=tmp_path / "nowhere")])
    gone.begin()
    assert told_by(gone) == ["nothing is known of what was tested in the first round"]


def opened(path: Path) -> dict[OpenFile, str]:
    """As a platform says it."""
    seen = path.stat()
    return {OpenFile(path=str(path.resolve()), device=seen.st_dev, inode=seen.st_ino): "web#1"}


def test_what_services_write_is_no_drift_and_what_they_run_is(plan: Plan, tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "trace.txt").write_text("one\n")
    (app / "settings.toml").write_text("a = 1\n")
    with contextlib.closing(sqlite3.connect(app / "shop.sqlite3")) as store:
        store.execute("create table sale (id int)")
        looking = fingerprinter(plan, tmp_path)
        looking.begin()
        store.execute("insert into sale values (1)")
        store.commit()
    for name in ("trace.txt", "settings.toml"):
        with (app / name).open("a") as file:
            file.write("two\n")
    seen = opened(app / "trace.txt") | opened(app / "settings.toml")
    drift = looking.drift(seen)
    assert drift.changes == ["web (app): settings.toml changed"]  # who rewrites a configuration changes what is tested
    assert drift.own == [
        "web (app): shop.sqlite3 changed: the rows of a SQLite database are state",
        "web (app): trace.txt changed: web#1 writes it",
    ]
    assert drift.hint == ""  # nobody is told to leave a configuration out
    (app / "other").write_bytes((app / "shop.sqlite3").read_bytes())
    (app / "other").replace(app / "shop.sqlite3")
    (app / "fresh").write_text("three\n")
    (app / "fresh").replace(app / "trace.txt")  # another file of that name: nobody was seen to write it
    assert looking.drift(seen).changes == [
        "web (app): settings.toml changed", "web (app): shop.sqlite3 changed", "web (app): trace.txt changed"
    ]  # fmt: skip


def test_the_line_to_paste_says_it_all(plan: Plan, tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "media").mkdir()
    (app / "media/README").write_text("x")
    (app / "lib").mkdir()
    (app / "lib/a.py").write_text("x")
    looking = fingerprinter(plan, tmp_path)
    looking.begin()
    (app / "media/2026/11").mkdir(parents=True)
    (app / "dist").mkdir()
    for name in ("media/2026/11/a.png", "dist/app.js", "lib/x.dat", "on", "1.bin", "2.bin", "3.bin", "shop.yaml"):
        (app / name).write_text("x")
    hint = looking.drift({}).hint
    assert hint == 'ignore: ["*.db", dist, media, "*.bin", lib/x.dat, "on"] under tested:'
    patterns = ("*.db", "dist", "media", "lib/x.dat", "*.bin", "on")
    pasted = fingerprinter(replace(plan, tested=FilesTested(ignore=patterns)), tmp_path, "two")
    pasted.begin()
    for name in ("media/2026/11/b.png", "dist/more.js", "on", "4.bin", "shop.yaml"):
        (app / name).write_text("y")
    assert told_by(pasted) == ["web (app): shop.yaml changed"]


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
