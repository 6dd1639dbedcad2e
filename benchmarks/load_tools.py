"""What the benchmarks of the load generator share: nginx on a core of its own, and each generator's requests per CPU-second.

Needs nginx and wrk on PATH, and taskset; Locust is installed in an environment of its own on first use, under the cache directory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import python_with
from ports import free_port

os.environ["PATH"] += ":/usr/sbin"  # Debian keeps nginx there, which is not on everybody's PATH

BODY = "x" * 200
SECOND = 1_000_000_000
SERVER_CORE, CLIENT_CORE = 0, 1
PATIENCE_S = 10.0

NGINX = """
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
worker_cpu_affinity {mask};
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
  uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
  default_type text/plain;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "{body}"; }} }}
  {tls}
}}
"""
TLS = """server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {directory}/cert.pem;
  ssl_certificate_key {directory}/key.pem; location / {{ return 200 "{body}"; }} }}"""

LOCUSTFILE = """
import json, resource
from locust import FastHttpUser, events, task
seen = {}
def used():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime
class Plain(FastHttpUser):
    @task
    def get(self):
        self.client.get("/")
@events.spawning_complete.add_listener
def begin(**_):
    seen["begin"] = used(), runner().stats.total.num_requests
def runner():
    return seen["environment"].runner
@events.init.add_listener
def init(environment, **_):
    seen["environment"] = environment
@events.test_stop.add_listener
def end(environment, **_):
    cpu, requests = seen["begin"]
    total = environment.runner.stats.total
    print(json.dumps({"cpu_s": used() - cpu, "requests": total.num_requests - requests, "failed": total.num_failures}), flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running nginx; `worker` is the pid that answers."""

    url: str
    tls_url: str
    worker: int
    directory: Path


def needed() -> None:
    """Ends the benchmark, saying what to install, where a program that it holds against ours is missing."""
    missing = [program for program in ("nginx", "wrk", "taskset") if shutil.which(program) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not found: scripts/install-peers installs them (as root)")


@contextlib.contextmanager
def nginx(*, tls: bool = False, core: int = SERVER_CORE) -> Iterator[Server]:
    """nginx with one worker on a core, answering every path with 200 bytes; with `tls` also over https, self-signed."""
    needed()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        port, tls_port = free_port(), free_port()
        words = {"directory": directory, "body": BODY}
        if tls:
            certificate(directory)
        config = NGINX.format(
            **words, port=port, mask=f"{1 << core:b}", tls=TLS.format(**words, port=tls_port) if tls else ""
        )
        (directory / "nginx.conf").write_text(config)
        process = subprocess.Popen(["nginx", "-p", name, "-c", f"{name}/nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            until_accepting(port)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Server(
                url=f"http://127.0.0.1:{port}",
                tls_url=f"https://127.0.0.1:{tls_port}" if tls else "",
                worker=int(children[0]),
                directory=directory,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def certificate(directory: Path) -> None:
    """cert.pem and key.pem, self-signed for 127.0.0.1."""
    subject = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    argv = f"openssl req -x509 {key} {subject} -keyout key.pem -out cert.pem".split()
    subprocess.run(argv, cwd=directory, check=True, capture_output=True)


def until_accepting(port: int) -> None:
    """Wait until something accepts there. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing accepts on port {port}")


def configuration(url: str, file: Path, **more: Any) -> dict[str, Any]:
    """A generator's configuration: one GET, unless `more` says otherwise."""
    get: dict[str, Any] = {"method": "GET", "path": "/", "headers": {}, "json": None, "body": None, "tag": ""}
    get["weight"] = 1
    return {
        "name": "benchmark", "file": str(file), "urls": [url], "verify": False, "cert": "", "key": "", "tags": [], "headers": {},
        "users": 0, "think_ns": 0, "timeout_ns": 5 * SECOND, "for_ns": 2 * SECOND, "script": "", "directory": str(file.parent),
        "requests": [get], "seed": 1, "connections": 1024, "accept": [], "lifo": True,
        "protocol": "http1", "operations": [], "parameters": {}, "schedule": {"constant": 1},
        "share": [0, 1], "start_ns": 0, "warm_up_ns": 0, **more,
    }  # fmt: skip


class Running:
    """A generator process that was started."""

    def __init__(self, config: Mapping[str, Any], core: int = CLIENT_CORE) -> None:
        argv = ["taskset", "-c", str(core), sys.executable, "-m", "seatrial.load.worker"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.config = config
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(config) + "\n")
        self.process.stdin.flush()

    def event(self) -> dict[str, Any]:
        """The next thing that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the generator ended with {self.process.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def result(self) -> dict[str, Any]:
        """Its last word: ok, failed, cpu_s, memory_bytes and the like."""
        while (said := self.event())["event"] != "stopped":
            pass
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        return said


def generator(config: Mapping[str, Any], core: int = CLIENT_CORE) -> dict[str, Any]:
    """Run a generator process on a core to its end; its last word."""
    return Running(config, core).result()


def per_cpu_second(result: Mapping[str, Any]) -> float:
    """Requests per CPU-second; raises RuntimeError when one failed."""
    if result["failed"] or not result["ok"]:
        raise RuntimeError(f"requests failed: {result}")
    return float(result["ok"] / result["cpu_s"])


def wrk(
    url: str, seconds: float, *, connections: int = 64, core: int = CLIENT_CORE, threads: int = 1, count: bool = False
) -> float:
    """Requests per CPU-second of wrk, whole process; with `count`, requests."""
    argv = ["taskset", "-c", str(core), "wrk", f"-t{threads}", f"-c{connections}", f"-d{round(seconds)}s", url]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    _, status, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or "Socket errors" in said or "Non-2xx" in said:
        raise RuntimeError(f"wrk: {said}")
    requests = next(int(line.split()[0]) for line in said.splitlines() if "requests in" in line)
    return requests if count else requests / (use.ru_utime + use.ru_stime)


def locust_python() -> Path:
    """Python of an environment with Locust."""
    return python_with("locust", "locust")


def locust(url: str, seconds: float, directory: Path, core: int = CLIENT_CORE, users: int = 64) -> float:
    """Requests per CPU-second of Locust's FastHttpUser, one process, from when all users are there."""
    file = directory / "locustfile.py"
    file.write_text(LOCUSTFILE)
    argv = [
        "taskset",
        "-c",
        str(core),
        str(locust_python()),
        "-m",
        "locust",
        "-f",
        str(file),
        "--headless",
        "-u",
        str(users),
    ]
    argv += ["-r", str(users), "-t", f"{round(seconds)}s", "--host", url, "--loglevel", "ERROR", "--only-summary"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=directory)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"cpu_s"')]
    if not lines:
        raise RuntimeError(f"locust: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    said = json.loads(lines[0])
    if said["failed"] or not said["requests"]:
        raise RuntimeError(f"locust: {said}")
    return float(said["requests"] / said["cpu_s"])


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(median, low, high): the order statistics that hold the true median in at least 95 % of samples, or all there is."""
    ordered, count = sorted(values), len(values)
    below = 0.0
    rank = 0
    while rank < count // 2 and below + math.comb(count, rank) / 2**count <= 0.025:
        below += math.comb(count, rank) / 2**count
        rank += 1
    least = max(0, rank - 1)
    return statistics.median(ordered), ordered[least], ordered[count - 1 - least]


def arguments(doc: str | None, **numbers: float) -> argparse.Namespace:
    """A command line of numbers with their defaults."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args()
