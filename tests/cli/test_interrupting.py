"""Ctrl-C before there is anything to judge: exit status 2 and a short line; nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WORDS = "interrupted before there was anything to judge"


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def _interruptible() -> None:
    """As at a terminal: what a shell starts in the background ignores SIGINT, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `seatrial ...`, with temporary files of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial", *arguments],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_interruptible,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[str], tmp_path: Path, number: signal.Signals = signal.SIGINT) -> str:
    """What it says when it is interrupted now."""
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 4
    assert not list(tmp_path.glob("seatrial-load-*"))
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_cluster_is_asked(
    begun: Callable[..., subprocess.Popen[str]], mute: socket.socket, tmp_path: Path, number: signal.Signals
) -> None:
    pytest.importorskip("distributed")
    port = mute.getsockname()[1]
    process = begun("load", "http://127.0.0.1:1", "--on", f"tcp://127.0.0.1:{port}", "--for", "5s")
    with mute.accept()[0]:
        assert WORDS in interrupted(process, tmp_path, number)


def test_while_generators_start(begun: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = begun("load", "http://127.0.0.1:1", "--workers", "6", "--for", "60s")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not (workers := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers
    assert WORDS in interrupted(process, tmp_path)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_while_a_probe_waits(begun: Callable[..., subprocess.Popen[str]], mute: socket.socket, tmp_path: Path) -> None:
    process = begun("check", f"{{http: GET http://127.0.0.1:{mute.getsockname()[1]}/, timeout: 60s}}")
    with mute.accept()[0]:
        assert "interrupted" in interrupted(process, tmp_path)
