"""A suite's command line: its places are filled in and named right, or refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.suites import SuiteWish, check_command, render, variable, windows_of
from seatrial.core.errors import SeatrialError, UsageError
from seatrial.core.plan import Plan
from seatrial.core.stack import ServicePlan, StackPlan

ADDRESSES = {
    "web": {"url": "http://127.0.0.1:80", "host": "127.0.0.1"},
    "my-db": {"url": "postgresql://u:p@h:1/d?a=1&b=2"},
}


def plan(*names: str) -> Plan:
    services = {n: ServicePlan(name=n, kind="link" if "->" in n else "process", arguments={}) for n in names}
    stack = StackPlan(name="s", platform="local", services=services, directory=Path())
    return Plan(name="s", file=Path("s.yaml"), stack=stack, digest="", files=())


def test_places_are_filled_in(tmp_path: Path) -> None:
    assert render("pytest --junitxml={junit} --url {web.url}", tmp_path, ADDRESSES) == (
        f"pytest --junitxml={tmp_path}/junit.xml --url http://127.0.0.1:80"
    )
    assert render("x {my-db.url}", tmp_path, ADDRESSES) == "x 'postgresql://u:p@h:1/d?a=1&b=2'"
    assert render("t > {tap}; go {junit-dir}", tmp_path, {}) == f"t > {tmp_path}/report.tap; go {tmp_path}/junit"


def test_braces_of_a_shell_stay(tmp_path: Path) -> None:
    for text in ("awk '{print $1}'", "echo ${HOME}", "echo {a,b}", "f() { ok; }", "x ${web.url}"):
        assert render(text, tmp_path, ADDRESSES) == text


def test_a_value_that_a_service_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeatrialError, match=r"web has no ulr; it has host, url. Did you mean \"url\""):
        render("{web.ulr}", tmp_path, ADDRESSES)


@pytest.mark.parametrize(
    ("command", "words"),
    [("  ", "no command"), ("x {junit} {tap}", "are both"), ("x {wbe.url}", 'no service wbe\n.*Did you mean "web"')],
)
def test_a_wrong_command_is_refused(command: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_command(command, plan("web", "db"))
    check_command("x {junit} {web.url} {junit}", plan("web"))


def test_windows() -> None:
    three = plan("web", "db", "web -> db")
    assert windows_of(three, SuiteWish(command="x")) == (
        ("stop", "web"), ("pause", "web"), ("stop", "db"), ("pause", "db"), ("cut", "web -> db"),
    )  # fmt: skip
    assert windows_of(three, SuiteWish(command="x", services=("db",), faults=("stop",))) == (("stop", "db"),)
    for wish, words in (
        (SuiteWish(command="x", services=("wbe",)), 'Did you mean "web"'),
        (SuiteWish(command="x", faults=("kill",)), "stop, pause, cut"),
        (SuiteWish(command="x", services=("db",), faults=("cut",)), "no window is left"),
    ):
        with pytest.raises(UsageError, match=words):
            windows_of(three, wish)


def test_variables_are_named_after_services() -> None:
    assert variable("my-db", "url") == "SEATRIAL_MY_DB_URL"
