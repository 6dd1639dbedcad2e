"""How Locust is told what to run, and what its failures are called. Locust itself is in tests/services."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from seatrial.arrivals.errors import ERRORS
from seatrial.load.locust_running import code_of, command


def named(name: str, *arguments: object, of: type[Exception] = Exception, **more: object) -> Exception:
    """An error as requests and urllib3 have it: of that name, with others inside."""
    return type(name, (of,), more)(*arguments)


def retried(reason: Exception) -> Exception:
    return named("ConnectionError", named("MaxRetryError", "Max retries exceeded", reason=reason), of=OSError)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (Exception("500 Server Error"), 500, "status-5xx"),
        (Exception("404 Client Error"), 404, "status-4xx"),
        (Exception("not what was wanted"), 200, "script"),
        (ConnectionRefusedError(), 0, "refused"),
        (retried(caused(Exception(), ConnectionRefusedError())), 0, "refused"),
        (retried(named("NameResolutionError")), 0, "name"),
        (named("ConnectionError", ConnectionResetError(), of=OSError), 0, "reset"),
        (named("ConnectionError", "Remote end closed connection", of=OSError), 0, "closed"),
        (socket.gaierror(), 0, "name"),
        (TimeoutError(), 0, "timeout"),
        (named("ReadTimeout", of=OSError), 0, "timeout"),
        (ssl.SSLError(), 0, "tls"),
        (ValueError("anything else"), 0, "script"),
    ],
)
def test_a_failure_has_the_name_that_our_own_have(error: Exception, status: int, word: str) -> None:
    assert ERRORS[code_of(error, status)] == word


def test_an_error_that_is_its_own_cause_has_an_end() -> None:
    error = ValueError()
    error.__context__ = caused(KeyError(), error)
    assert ERRORS[code_of(error, 0)] == "script"


def test_the_command_line_says_what_was_asked_and_no_more() -> None:
    bare: dict[str, Any] = {
        "prefix": "/t/old-locust", "classes": [], "tool": "/x/f.py", "url": "http://h:1", "users": 0, "spawn_rate": 0.0, "for_ns": None,
        "tags_wanted": [], "tags_skipped": [], "arguments": [],
    }  # fmt: skip
    results = [
        "--csv",
        "/t/old-locust",
        "--html",
        "/t/old-locust.html",
        "--json-file",
        "/t/old-locust",
        "--only-summary",
    ]
    assert command(bare) == ["locust", "-f", "/x/f.py", "--headless", "--host", "http://h:1", *results]
    full = {
        **bare, "classes": ["A", "B"], "users": 5, "spawn_rate": 2.5, "for_ns": 60_000_000_000, "tags_wanted": ["a"], "tags_skipped": ["b"],
        "arguments": ["--csv", "mine"],
    }  # fmt: skip
    said = command(full)
    assert said[:5] == ["locust", "A", "B", "-f", "/x/f.py"]
    assert said[said.index("--users") :][:6] == ["--users", "5", "--spawn-rate", "2.5", "--run-time", "60s"]
    assert said[-6:] == ["--tags", "a", "--exclude-tags", "b", "--csv", "mine"]
