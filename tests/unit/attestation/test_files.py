"""What tells that a file is what it was: content, permissions, where a link leads; never its time alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.attestation.files import IGNORED, Budget, Tree, pattern_of

GENEROUS = 1 << 20


def looked_at(root: Path, *ignore: str, budget: Budget | None = None) -> Tree:
    tree = Tree(root=root, ignore=pattern_of((*IGNORED, *ignore)))
    tree.look(budget or Budget(bytes=GENEROUS))
    return tree


def told_by(tree: Tree) -> list[str]:
    return [str(change) for change in tree.changes()]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/a.py").write_text("a = 1\n")
    (tmp_path / "run.sh").write_text("exec true\n")
    (tmp_path / "current").symlink_to("run.sh")
    return tmp_path


def rewritten(root: Path) -> None:
    """Another content of the same length, and the old times put back."""
    path = root / "pkg/a.py"
    before = path.stat()
    path.write_text("a = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(root: Path) -> None:
    (root / "new").write_text("exec false\n")
    (root / "new").replace(root / "run.sh")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "rewritten": (rewritten, "pkg/a.py changed"),
    "replaced": (replaced, "run.sh changed"),
    "appeared": (lambda r: (r / "pkg/b.py").write_text(""), "pkg/b.py appeared"),
    "gone": (lambda r: (r / "pkg/a.py").unlink(), "pkg/a.py is gone"),
    "permissions": (lambda r: (r / "run.sh").chmod(0o755), "run.sh has other permissions"),
    "a link": (
        lambda r: ((r / "current").unlink(), (r / "current").symlink_to("pkg/a.py")),
        "current leads to pkg/a.py, and led to run.sh",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told(tree: Path, name: str) -> None:
    change, told = CHANGES[name]
    seen = looked_at(tree)
    change(tree)
    assert told in told_by(seen)


def test_a_touch_is_no_change(tree: Path) -> None:
    seen = looked_at(tree)
    (tree / "pkg/a.py").touch()
    (tree / "pkg/a.py").write_text("a = 1\n")
    assert told_by(seen) == []


def test_a_file_that_is_what_it_was_is_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looked_at(tree)
    seen.looked_ns = time.time_ns() + 10**9  # as if all had been there for long
    monkeypatch.setattr("seatrial.attestation.files._see", lambda *_: pytest.fail("it was read"))
    assert told_by(seen) == []


def test_a_file_that_changed_when_it_was_hashed_is_read_again(tree: Path) -> None:
    seen = looked_at(tree)
    now = seen.files["run.sh"]
    seen.files["run.sh"] = type(now)(stamp=now.stamp, sha256="0" * 64)  # the stamp tells nothing of it
    assert told_by(seen) == ["run.sh changed", "current changed"] or told_by(seen) == ["run.sh changed"]


def test_what_is_written_while_things_run_is_left_out(tree: Path) -> None:
    seen = looked_at(tree, "uploads", "*.sqlite3", "pkg/made.*")
    (tree / "uploads").mkdir()
    for name in ("uploads/x", "shop.sqlite3", "app.log", "pkg/made.txt"):
        (tree / name).write_text("x")
    (tree / "pkg/__pycache__").mkdir()
    (tree / "pkg/__pycache__/a.pyc").write_text("x")
    assert told_by(seen) == []


def test_links_that_lead_back_up_end(tree: Path) -> None:
    (tree / "pkg/up").symlink_to(tree)
    assert set(looked_at(tree).files) == {"pkg/a.py", "run.sh", "current"}


def test_beyond_the_budget_size_and_time_tell(tree: Path) -> None:
    seen = looked_at(tree, budget=Budget(bytes=7))
    assert "were not read" in seen.group().partial
    (tree / "run.sh").write_text("exec fals\n")
    assert "run.sh changed" in told_by(seen)


def test_too_many_files_are_said(tree: Path) -> None:
    seen = looked_at(tree, budget=Budget(bytes=GENEROUS, files=1))
    assert "more than 1 files" in seen.group().partial
    assert told_by(seen) == []


def test_a_group_is_the_same_wherever_it_is(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "pkg").mkdir()
    for name in ("pkg/a.py", "run.sh"):
        (other / name).write_text((tree / name).read_text())
    (other / "current").symlink_to("run.sh")
    assert looked_at(tree).group() == looked_at(other).group()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told_apart(tree: Path) -> None:
    (tree / "run.sh").chmod(0)
    assert "were not read" in looked_at(tree).group().partial


def test_where_our_own_words_go_is_no_part_of_what_is_tested(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print()")
    script = (
        "import sys; from pathlib import Path; from seatrial.attestation.files import Budget, Tree, pattern_of;"
        f"tree = Tree(root=Path({str(tmp_path)!r}), ignore=pattern_of(['.git'])); tree.look(Budget(bytes=1 << 20));"
        "print('words', flush=True); sys.stderr.write(' '.join([*tree.files, 'changed:', *map(str, tree.changes())]))"
    )
    with (tmp_path / "said").open("w") as said:
        run = subprocess.run([sys.executable, "-c", script], stdout=said, stderr=subprocess.PIPE, text=True, check=True)
    assert run.stderr == "app.py changed:"
