"""Decoys of `kills.py`: a redis, a postgres and a trial that are nobody's to touch, and a listener on a port that was used before."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from machine import Nursery, processes, wait
from ports import free_port

from seatrial.core.processes import Surroundings
from seatrial.embedded.binaries import need
from seatrial.keeper.surroundings import entry_for, hand_over

BYSTANDER_STACK = """\
services:
  store: {kind: redis}
  base: {kind: postgres}
  web:
    command: python -m http.server --bind 127.0.0.1 {{ instance.port.http }}
    ports: auto
    ready: {http: GET /, expect: status == 200}
"""
BYSTANDER = """\
seatrial: 1
name: bystander
stack: stack.yaml
requirements: {R-1: the web answers all the time}
workloads:
  visitors: {http: GET /, at: web, rate: 5/s}
throughout: [visitors]
scenarios:
  calm:
    covers: [R-1]
    deadline: 3h
    steps:
      - {fault: pause, at: store, id: stall}
      - {http: GET /, at: web, expect: status == 200, for: 2h, every: 500ms, id: watch}
"""
LISTENER = """
import http.server, sys, time
class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "7"); self.end_headers(); self.wfile.write(b"foreign")
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    def __init__(self, port):
        while True:
            try:
                super().__init__(("127.0.0.1", port), Quiet)
                return
            except OSError:
                time.sleep(0.002)
server = Server(int(sys.argv[1]))
print("bound", flush=True)
server.serve_forever()
"""


def answer(port: int, path: str = "/") -> str:
    """What an HTTP server on loopback answers. Raises OSError if it does not within 5 s."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
        text: str = response.read(64).decode(errors="replace")
        return f"{response.status} {text}"


@dataclass
class Decoy:
    """Something foreign: processes that must stay the same, and a question that must be answered."""

    name: str
    keys: set[tuple[int, int]]
    ask: Callable[[], bool]

    def hurt(self) -> str:
        """What has happened to it; empty for nothing."""
        alive = {process.key for process in processes().values()}
        gone = sorted(self.keys - alive)
        if gone:
            return f"{self.name}: pid {', '.join(str(pid) for pid, _ in gone)} has gone"
        try:
            return "" if self.ask() else f"{self.name} answers wrongly"
        except Exception as error:  # noqa: BLE001 - whatever a client library raises: no answer
            return f"{self.name} does not answer: {error!r}"


@dataclass
class Foreign:
    """A process that listens on a port as soon as it can be bound."""

    port: int
    process: subprocess.Popen[bytes] = field(init=False)
    bound: bool = False

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(self.port)], stdout=subprocess.PIPE, start_new_session=True
        )

    def has_bound(self) -> bool:
        """Whether it listens by now."""
        said = self.process.stdout
        if not self.bound and said is not None and select.select([said], [], [], 0)[0]:
            self.bound = bool(os.read(said.fileno(), 64))
        return self.bound

    def hurt(self) -> str:
        """What has happened to it; empty for nothing."""
        if self.process.poll() is not None:
            return f"the foreign listener on port {self.port} has gone"
        if not self.bound:
            return f"port {self.port} could not be bound again"
        try:
            said = answer(self.port)
        except OSError as error:
            return f"the foreign listener on port {self.port} does not answer: {error!r}"
        return "" if said.endswith("foreign") else f"someone else answers on port {self.port}: {said!r}"

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def foreign_redis(directory: Path) -> Iterator[Decoy]:
    """A redis that no trial has started."""
    port, home = free_port(), directory / "foreign-redis"
    home.mkdir()
    argv = [str(need("redis-server")), "--port", str(port), "--save", "", "--daemonize", "no"]
    process = subprocess.Popen(argv, cwd=home, stdout=subprocess.DEVNULL, start_new_session=True)

    def ping() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64) == b"+PONG\r\n"

    with _ended(process):
        _until(ping, "the foreign redis")
        yield Decoy(name="the foreign redis", keys=_keys(process.pid), ask=ping)


@contextlib.contextmanager
def foreign_postgres(directory: Path) -> Iterator[Decoy]:
    """A postgres that no trial has started, as another user where this one is root."""
    port, home = free_port(), directory / "foreign-postgres"
    home.mkdir(mode=0o700)
    entry = entry_for(Surroundings(directory=home, unprivileged=True), home)
    hand_over(home, (directory, home), entry)
    data = home / "data"
    initdb = [str(need("initdb")), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(initdb, cwd=home, check=True, stdout=subprocess.DEVNULL, preexec_fn=entry.take)
    argv = [str(need("postgres")), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=home, stdout=log, stderr=log, start_new_session=True, preexec_fn=entry.take
        )

    def one() -> bool:
        with psycopg.connect(
            host="127.0.0.1", port=port, user="postgres", dbname="postgres", connect_timeout=5
        ) as connection:
            return connection.execute("select 1").fetchone() == (1,)

    with _ended(process):
        _until(one, "the foreign postgres")
        yield Decoy(name="the foreign postgres", keys=_keys(process.pid), ask=one)


@contextlib.contextmanager
def second_trial(directory: Path, root: Path) -> Iterator[Decoy]:
    """A trial under way among the records of the dead ones, in the midst of a fault; ended by SIGINT, it leaves nothing either."""
    place = directory / "bystander"
    place.mkdir()
    (place / "stack.yaml").write_text(BYSTANDER_STACK)
    (place / "seatrial.yaml").write_text(BYSTANDER)
    argv = [sys.executable, "-m", "seatrial", "run", str(place / "seatrial.yaml"), "--directory", str(root)]
    nursery = Nursery.start(argv, place / "log", os.environ)
    try:
        if not wait(lambda: _watching(root) or nursery.empty, 60, 0.05) or nursery.empty:
            raise RuntimeError(f"the second trial did not start: {(place / 'log').read_text()}")
        trial = next((root / "trials").glob("*-bystander-*"))
        records = [json.loads(line) for line in (trial / "keeper.jsonl").read_text().splitlines()]
        parts = ("leader", "guardian", "adopted")
        owned = {(r["pid"], r["started"]) for r in records if r.get("part") in parts or r["event"] == "keeper"}
        alive = {process.key for process in nursery.look()}
        ports = json.loads((trial / "stack/ground.json").read_text())["ports"]
        keys = (owned & alive) | _keys(nursery.command)
        yield Decoy(
            name="the second trial",
            keys=keys,
            ask=lambda: answer(ports["web 1 http"]).startswith("200") and _calm(trial),
        )
        os.kill(nursery.command, signal.SIGINT)
        if not wait(lambda: nursery.empty, 60, 0.05):
            raise RuntimeError(f"the second trial left {nursery.look()}")
    finally:
        nursery.clear()


def _watching(root: Path) -> bool:
    return any(
        '"step":"watch"' in p.read_text().replace(" ", "") for p in root.glob("trials/*-bystander-*/journal.jsonl")
    )


def _calm(trial: Path) -> bool:
    """The second trial itself has seen nothing amiss since its stack was up, and none of its servers was started again."""
    entries = [json.loads(line) for line in (trial / "journal.jsonl").read_text().splitlines() if line.endswith("}")]
    begun = next(e["seq"] for e in entries if e["type"] == "PhaseChanged" and e["phase"] == "scenarios")
    later = [e for e in entries if e["seq"] > begun]
    failed = any(e["type"] == "Attempted" and e["truth"] is False for e in later)
    return not failed and not any(e["type"] == "InstanceChanged" and e["restarts"] for e in later)


def _keys(pid: int) -> set[tuple[int, int]]:
    return {processes()[pid].key}


def _until(ask: Callable[[], bool], name: str) -> None:
    def up() -> bool:
        try:
            return ask()
        except (OSError, psycopg.Error):
            return False

    if not wait(up, 30, 0.05):
        raise RuntimeError(f"{name} did not come up")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
