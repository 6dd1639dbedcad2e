"""Metrics of a service, and a real Prometheus server that scrapes it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ports import free_port

from seatrial import probes
from seatrial.core.expressions import Missing
from seatrial.core.observations import Observation, ProbeRequest, Reach, Seen
from seatrial.core.stack import Endpoint
from seatrial.core.vocabulary import load

TEXT = """\
# HELP requests_total Requests by backend.
# TYPE requests_total counter
requests_total{backend="monolith",code="200"} 90
requests_total{backend="monolith",code="500"} 3
requests_total{backend="micro\\"service",code="200"} 10
# TYPE breaker_open gauge
breaker_open 1
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 7
took_seconds_bucket{le="+Inf"} 9
took_seconds_sum 1.5
took_seconds_count 9
nonsense NaN
"""


@contextlib.contextmanager
def serving(text: str, status: int = 200) -> Iterator[int]:
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/metrics" else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def ask(verb: str, what: str, port: int, **arguments: object) -> Observation:
    endpoint = Endpoint(name="http", scheme="http", host="127.0.0.1", port=port)
    reach = Reach(name="web", service="web", kind="process", endpoints={"http": endpoint})
    request = ProbeRequest(
        what=what, arguments=arguments, reach=reach, headers={}, timeout_ns=5_000_000_000, around=None
    )
    return await load(probes.VERBS[verb].run)(request)


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    await probes.close()


@pytest.mark.parametrize(
    ("selector", "total", "count"),
    [
        ("requests_total", 103, 3),
        ('requests_total{backend="monolith"}', 93, 2),
        ('requests_total{code=~"5..",}', 3, 1),
        ('requests_total{ code != "200" , backend!~"x.*" }', 3, 1),
        ('requests_total{backend="micro\\"service"}', 10, 1),
        ('requests_total{missing=""}', 103, 3),
        ("breaker_open{}", 1, 1),
        ('took_seconds_bucket{le="+Inf"}', 9, 1),
        ("took_seconds_count", 9, 1),
    ],
)
async def test_samples_are_chosen_by_name_and_labels(selector: str, total: float, count: int) -> None:
    with serving(TEXT) as port:
        seen = await ask("prometheus", selector, port)
    assert (seen.values["value"], seen.values["count"]) == (total, count)


async def test_what_is_not_there_is_no_value(closed: None) -> None:
    with serving(TEXT) as port:
        seen = await ask("prometheus", 'requests_total{backend="nobody"}', port)
        assert isinstance(seen.values["value"], Missing)
        assert seen.values["count"] == 0
        assert (await ask("prometheus", "breaker_open", port, path="/elsewhere")).error == "status 404"
    with serving("{" * 9) as port:
        assert (await ask("prometheus", "breaker_open", port)).error == "protocol"
        assert (await ask("prometheus", "breaker open", port)).seen is Seen.PROBE_ERROR


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real one that scrapes the text above; its port."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on PATH (Debian: prometheus): promql was NOT exercised against a real server")
    directory: Path = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    with serving(TEXT) as target:
        (directory / "prometheus.yml").write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            f"scrape_configs: [{{job_name: web, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
        )
        argv = [program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
        argv += [f"--web.listen-address=127.0.0.1:{port}"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            yield port
            server.terminate()


async def test_a_query_at_a_real_server(prometheus: int) -> None:
    async with asyncio.timeout(60):
        while (seen := await ask("promql", "sum(requests_total)", prometheus)).values.get("value") != 103:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert seen.values["count"] == 1
    each = await ask("promql", 'requests_total{backend="monolith"}', prometheus)
    assert isinstance(each.values["value"], Missing)
    assert sorted(s["value"] for s in each.values["series"]) == [3, 90]
    assert {s["labels"]["code"] for s in each.values["series"]} == {"200", "500"}
    assert (await ask("promql", "scalar(breaker_open)", prometheus)).values["value"] == 1
    assert isinstance((await ask("promql", "nobody", prometheus)).values["value"], Missing)
    wrong = await ask("promql", "sum(", prometheus)
    assert (wrong.seen, wrong.error) == (Seen.PROBE_ERROR, "query")
    assert "parse error" in wrong.message


async def test_somebody_else_is_no_prometheus(closed: None) -> None:
    with serving(TEXT) as port:
        assert (await ask("promql", "up", port)).error in ("protocol", "status 501")
