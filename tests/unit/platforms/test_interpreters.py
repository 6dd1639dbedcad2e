"""What interpreters run, told from processes that run it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from seatrial.core import procfs
from seatrial.platforms.interpreters import MANUALS, Program, java, named, program_of
from seatrial.platforms.parts import digest_of, parts_of


def ran(argv: Sequence[str], directory: Path, **environment: str) -> Program | None:
    """What is told of a process once it has said that it runs."""
    with subprocess.Popen(
        argv, cwd=directory, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        exe = str(Path(f"/proc/{process.pid}/exe").readlink())
        found = program_of(process.pid, exe)
        process.kill()
    return found


PYTHON = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("argv", "name", "files"),
    [
        (["app.py", "--port", "1"], "app.py", ["app.py"]),
        (["-u", "-X", "utf8", "-Wignore", "app.py"], "app.py", ["app.py"]),
        (["-m", "shop"], "shop", ["shop/__main__.py", "shop/stock.py"]),
        (["-um", "shop.stock"], "shop.stock", ["shop/stock.py"]),
        (["shop"], "__main__.py", ["shop/__main__.py"]),
        (["-m", "lent"], "lent", ["lib/lent.py"]),
        (["-c", PYTHON, "app.py"], "", []),
    ],
)
def test_python(tmp_path: Path, argv: list[str], name: str, files: list[str]) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "lib").mkdir()
    for file in ("app.py", "shop/__main__.py", "shop/stock.py", "lib/lent.py"):
        (tmp_path / file).write_text(PYTHON)
    found = ran([sys.executable, *argv], tmp_path, PYTHONPATH="lib")
    assert found == (Program(name=name, files=tuple(tmp_path / f for f in files)) if files else None)


def test_a_package_of_its_environment_has_its_version(tmp_path: Path) -> None:
    """As Patroni runs: by a link that says which environment it is."""
    environment = tmp_path / "env/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (environment / "tide").mkdir(parents=True)
    (environment / "tide/__main__.py").write_text(PYTHON)
    (environment / "tide-4.1.dist-info").mkdir()
    (tmp_path / "env/bin").mkdir()
    (tmp_path / "env/pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    python = tmp_path / "env/bin/python"
    python.symlink_to(Path(sys.executable).resolve())
    (tmp_path / "env/bin/tide").write_text(f"#!{python}\n{PYTHON}")
    (tmp_path / "env/bin/tide").chmod(0o755)
    by_module = ran([str(python), "-m", "tide"], tmp_path)
    assert by_module is not None
    assert (by_module.name, by_module.version) == ("tide", "4.1")
    by_script = ran([str(tmp_path / "env/bin/tide")], tmp_path)
    assert by_script == Program(name="tide", files=(tmp_path / "env/bin/tide",), version="4.1", installed=True)
    digest = digest_of(by_script)
    (tmp_path / "env/bin/tide").write_text(f"#!/elsewhere/python\n{PYTHON}")
    assert digest_of(by_script) == digest  # the same was tested, on whatever machine
    (tmp_path / "env/bin/tide").write_text(f"#!{python}\n{PYTHON}#\n")
    assert digest_of(by_script) != digest


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_node(tmp_path: Path) -> None:
    (tmp_path / "server.js").write_text("console.log('ready'); setTimeout(() => {}, 60000)\n")
    (tmp_path / "package.json").write_text('{"main": "server"}')
    for argv in (["server.js"], ["--no-warnings", "server"], ["."]):
        found = ran(["node", *argv], tmp_path)
        assert found is not None
        assert found.files == (tmp_path / "server.js",)


@pytest.mark.parametrize(
    ("interpreter", "words", "told"),
    [
        ("perl", ["-w", "-I", "lib", "shop.pl"], ("file", "shop.pl")),
        ("perl", ["-we", "sleep 9"], ("", "")),
        ("ruby", ["-rbundler/setup", "bin/rails", "s"], ("file", "bin/rails")),
        ("php8.2", ["-S", "127.0.0.1:80", "-t", "public", "router.php"], ("file", "router.php")),
        ("php", ["-f", "worker.php"], ("file", "worker.php")),
        ("sh", ["-c", "exec node a.js"], ("", "")),
        ("bash", ["-eu", "-o", "pipefail", "start.sh"], ("file", "start.sh")),
        ("node", ["--require", "dotenv/config", "-r", "x", "a.js", "b.js"], ("file", "a.js")),
        ("deno", ["run", "--allow-net", "main.ts"], ("file", "main.ts")),
        ("python3", ["-"], ("", "")),
        ("python3", [], ("", "")),
    ],
)
def test_what_a_command_line_names(interpreter: str, words: list[str], told: tuple[str, str]) -> None:
    manual = next(m for pattern, m in MANUALS if re.fullmatch(pattern, interpreter))
    assert named(words, manual) == told


def test_java(tmp_path: Path) -> None:
    (tmp_path / "shop.jar").write_bytes(b"PK")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.jar").write_bytes(b"PK")
    (tmp_path / "classes/com").mkdir(parents=True)
    (tmp_path / "classes/com/Shop.class").write_bytes(b"\xca\xfe")
    jar = java(["-Xmx64m", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-jar", "shop.jar", "x"], tmp_path)
    assert jar == Program(name="shop.jar", files=(tmp_path / "shop.jar",))
    by_class = java(["-cp", "lib/*:classes", "-Dx=y", "com.Shop"], tmp_path)
    assert by_class == Program(name="com.Shop", files=(tmp_path / "classes/com/Shop.class", tmp_path / "lib/a.jar"))
    assert java(["-version"], tmp_path) is None


def test_a_script_is_a_part_and_another_one_when_it_was_changed(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(PYTHON)
    with subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        leader = procfs.identify(process.pid)
        assert leader is not None
        assert process.stdout is not None
        process.stdout.readline()
        interpreter, told = parts_of({"web#1": leader})
        assert interpreter.subject == "web#1"
        assert (told.subject, told.digest) == (
            "web#1 app.py",
            "sha256:" + hashlib.sha256(PYTHON.encode()).hexdigest(),
        )
        script.write_text("another")
        _, changed = parts_of({"web#1": leader})
        assert changed.digest == "sha256:" + hashlib.sha256(b"another").hexdigest()
        process.kill()
    assert program_of(process.pid, sys.executable) is None
