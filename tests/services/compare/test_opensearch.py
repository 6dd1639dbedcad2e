"""An index of a real OpenSearch, compared with a file row by row."""

from __future__ import annotations

import csv
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compare_support import counts, stores
from ports import free_port

from seatrial.compare.layout import Options
from seatrial.compare.results import SourceError
from seatrial.embedded import opensearch

INSTALLED, MISSING = opensearch.place(), opensearch.lacks()
DEADLINE_S = 120.0
ROWS = [{"id": n, "title": f"item {n}", "price": n * 1.5, "sold": n % 7 == 0} for n in range(1, 2501)]


def ask(url: str, data: bytes | None = None) -> Any:
    request = urllib.request.Request(url, data, {"content-type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, with all rows in it."""
    if MISSING:
        pytest.skip(f"a real search engine was NOT exercised: {MISSING}")
    directory, port, transport = tmp_path_factory.mktemp("opensearch"), free_port(), free_port()
    classes = f"{INSTALLED}/lib/*:{INSTALLED}"
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", classes, "Server", str(directory), str(port), str(transport)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                assert ask(f"http://127.0.0.1:{port}/")["version"]["distribution"] == "opensearch"
                break
            except OSError:
                assert server.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline, (directory / "log").read_text()
                time.sleep(0.1)
        lines = [json.dumps(part) for row in ROWS for part in ({"index": {"_index": "items", "_id": row["id"]}}, row)]
        assert not ask(f"http://127.0.0.1:{port}/_bulk?refresh=true", ("\n".join(lines) + "\n").encode())["errors"]
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def written(path: Path, rows: list[dict[str, object]]) -> str:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, ROWS[0])
        out.writeheader()
        out.writerows({**r, "sold": str(r["sold"]).lower()} for r in rows)
    return str(path)


def test_an_index_is_read_whole_and_what_differs_is_found(index: str, tmp_path: Path) -> None:
    by_id = Options(keys=("id",))
    same = written(tmp_path / "same.csv", ROWS)
    assert counts(stores(same, f"opensearch://{index}/items", by_id)) == (2500, 0, 0, 0)
    other = [{**r, "title": "another"} if r["id"] == 10 else r for r in ROWS if r["id"] != 100] + [
        {**ROWS[0], "id": 9999}
    ]
    found = stores(written(tmp_path / "other.csv", other), f"opensearch://{index}/items", by_id)
    assert counts(found) == (2498, 1, 1, 1)
    assert (
        ask(f"http://{index}/_nodes/stats/indices/search")["nodes"].popitem()[1]["indices"]["search"]["open_contexts"]
        == 0
    )


def test_an_index_that_is_not_there_cannot_be_told(index: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        stores(written(tmp_path / "same.csv", ROWS), f"opensearch://{index}/nothing", Options(keys=("id",)))
    assert raised.value.word == "absent"
