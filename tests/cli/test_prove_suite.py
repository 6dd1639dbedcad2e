"""`seatrial prove --suite` on a small real stack: suites in pytest, TAP and as an exit status; good, hollow, skipping, hanging, lying."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
STACK = """\
services:
  cache: {kind: redis}
"""
SUITE = r"""
import os, socket
import pytest

CACHE = (os.environ["SEATRIAL_CACHE_HOST"], int(os.environ["SEATRIAL_CACHE_PORT"]))


def ping(timeout=0.5):
    with socket.create_connection(CACHE, timeout) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(5)


@pytest.fixture
def answer():
    return ping()


def test_good(): assert ping() == b"+PONG"
def test_given(answer): assert answer
def test_port(): socket.create_connection(CACHE, 0.5).close()
def test_tautology(): assert CACHE in [CACHE]


def test_swallows():
    try:
        assert ping() == b"+PONG"
    except OSError:
        pass


def test_skips():
    try:
        ping()
    except OSError as error:
        pytest.skip(f"no redis: {type(error).__name__}")


def test_skipped(): pytest.skip("one day")


def test_flaky():
    count = os.environ["COUNT"]
    with open(count, "a+") as file:
        file.write("x")
        file.seek(0)
        assert len(file.read()) % 2


def test_waits_for_ever(): assert ping(timeout=None) == b"+PONG"
def test_after_it(): assert CACHE
"""


def told(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.stdout, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {t["test"].partition("::test_")[2] or t["test"]: t["outcome"] for t in found["tests"]}


def test_a_pytest_suite(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "e2e").mkdir()
    (tmp_path / "e2e/test_shop.py").write_text(SUITE)
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:seatrial e2e --junitxml={{junit}}"
    count = tmp_path.parent / f"{tmp_path.name}.count"
    run = seatrial("prove", "--suite", command, "--limit", "20s", "--json", "stack.yaml", COUNT=str(count))
    found = told(run)
    tests = {t["test"].partition("::test_")[2]: t for t in found["tests"]}
    assert outcomes(found) == {
        "good": "proven", "given": "proven", "port": "blind", "tautology": "blind", "swallows": "blind", "skips": "blind",
        "skipped": "not provable", "flaky": "not provable", "waits_for_ever": "proven", "after_it": "blind",
    }  # fmt: skip
    assert run.returncode == 1
    assert "refused connection" in tests["port"]["why"]
    assert tests["skips"]["skips_in"] == ["stop cache", "pause cache"]
    assert "no redis: ConnectionRefusedError" in tests["skips"]["why"]
    assert tests["skipped"]["why"] == "skipped while nothing is broken: one day"
    assert tests["flaky"]["why"].startswith("flaky (green, then red)")
    # One that waits for ever: interrupted, it said what it knew; whoever came after it was not reported.
    assert tests["waits_for_ever"]["heard"] == {"stop cache": "red", "pause cache": "did not end"}
    assert tests["after_it"]["heard"] == {"stop cache": "green", "pause cache": "did not end"}
    assert tests["good"]["heard"] == {"stop cache": "red", "pause cache": "red"}
    assert "always in its setup" in tests["given"]["why"]
    assert any(r.startswith("the suite did not end in") and "pause cache" in r for r in found["remarks"])

    again = seatrial("report")
    assert "3 of 10 tests proven, 5 blind, 2 not provable" in again.stdout, again.stderr
    assert "did not end" in again.stdout
    report = json.loads((Path(found["trial"]) / "report.json").read_text())
    assert report["verdict"] == "ASKED"
    assert report["summary"] == found["summary"]
    cases = {
        c.get("name", ""): [e.tag for e in c]
        for c in ElementTree.parse(Path(found["trial"]) / "junit.xml").iter("testcase")
    }
    assert cases["e2e.test_shop::test_port"] == ["failure"]
    assert cases["e2e.test_shop::test_flaky"] == ["error"]
    page = (Path(found["trial"]) / "report.html").read_text()
    assert "What the suite noticed" in page
    assert "∞" in page


def test_a_script_with_tap_and_what_it_leaves_behind(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "smoke.sh").write_text(
        "setsid sleep 1234.5 & echo 1..2\n"
        'python3 - "$1" <<END && echo ok 1 - answers || echo not ok 1 - answers\n'
        "import socket, sys\nhost, port = sys.argv[1].split(':')\n"
        "c = socket.create_connection((host, int(port)), 0.5); c.settimeout(0.5); c.sendall(b'PING\\r\\n'); assert c.recv(5)\nEND\n"
        "echo ok 2 - says so\n"
    )
    run = seatrial("prove", "--suite", "sh smoke.sh {cache.host}:{cache.port}", "--json", "stack.yaml")
    found = told(run)
    assert outcomes(found) == {"answers": "proven", "says so": "blind"}
    assert {r["source"] for r in found["runs"]} == {"TAP"}
    assert not [p for p in psutil.process_iter(["cmdline"]) if "1234.5" in (p.info["cmdline"] or [])]


def test_an_exit_status_is_one_test(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    look = f"{sys.executable} -c 'import socket; socket.create_connection((\"127.0.0.1\", {{cache.port}}), 1)'"
    blind = seatrial("prove", "--suite", look, "--no-between", "stack.yaml")
    assert blind.returncode == 1
    assert "0 of 1 tests proven, 1 blind" in blind.stdout
    assert "did not run between windows" in blind.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("true {junit}", "it wrote no JUnit file (exit status 0)"),
        ("echo 7 passed > {junit}", "junit.xml:1:1 is no XML"),
        ("sleep 60; : {junit}", "did not end in 2"),
        ("echo 1..1; echo not ok 1 - refused", "none of its 1 tests is green while nothing is broken"),
    ],
)
def test_a_suite_that_cannot_be_asked_says_why(seatrial: Run, tmp_path: Path, command: str, words: str) -> None:
    (tmp_path / "stack.yaml").write_text("services:\n  idle: {command: sleep 1000}\n")
    run = seatrial("prove", "--suite", command, "--limit", "2s", "stack.yaml")
    assert run.returncode == 2, run.stdout
    assert words in run.stdout.replace("\n", " ")
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--suite", "x", "--services", "cahce"), 'Did you mean "cache"'),
        (("--suite", "x {cahce.url}"), 'Did you mean "cache"'),
        (("--suite", "x", "--only", "a/b"), "--only is of checks"),
        (("--limit", "3s"), "--limit goes with --suite"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    seatrial: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    run = seatrial("prove", *arguments, "stack.yaml")
    assert run.returncode == 3
    assert words in run.stderr.replace("\n", " ")
    assert not (tmp_path / ".seatrial").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_suite_that_is_broken_off_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    command = "echo 1..1; echo ok 1 - a; [ -e broken ] && { setsid sleep 4321.5 & sleep 4321.5; }; touch broken"
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "prove", "--suite", command, "stack.yaml"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "broken").exists() or len(_sleepers()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    if number is signal.SIGINT:
        assert process.returncode == 2
        assert "interrupted" in out
        assert not _sleepers()
    while _sleepers():  # whoever was killed left that to the keeper
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sleepers() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[:2] == ["sleep", "4321.5"]]


ASKING = Path(__file__).parent / "asking.pl"
COMPOSE = f"""\
services:
  back:
    image: debian:bookworm
    command: [perl, /asking.pl]
    init: true
    volumes: ["{ASKING}:/asking.pl:ro"]
    expose: ["8000"]
    x-seatrial: {{ready: {{tcp: "", expect: accepted == true}}}}
  front:
    image: debian:bookworm
    command: [perl, /asking.pl]
    init: true
    volumes: ["{ASKING}:/asking.pl:ro"]
    depends_on: [back]
    environment: {{BACK: "back:8000"}}
    ports: ["8000"]
    x-seatrial: {{ready: {{http: GET /, expect: status == 200}}}}
"""
ASK = r"""
import os, urllib.request

def ask():
    return urllib.request.urlopen(os.environ["SEATRIAL_FRONT_URL"], timeout=3).read()

try:
    print("ok 1 - hello" if ask() == b"hello" else "not ok 1 - hello")
except OSError as error:
    print(f"not ok 1 - hello\n  ---\n  message: {error}\n  ...")
print("ok 2 - blind\n1..2")
"""


@pytest.mark.docker
def test_a_suite_on_containers(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "ask.py").write_text(ASK)
    run = seatrial("prove", "--suite", f"{sys.executable} ask.py", "--json", "compose.yaml")
    found = told(run)
    assert outcomes(found) == {"hello": "proven", "blind": "blind"}, found
    assert set(found["windows"]) == {"stop back", "pause back", "stop front", "pause front"}
    assert found["tests"][0]["red_in"] == found["windows"]
    assert not found["reason"]
