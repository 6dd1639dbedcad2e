from __future__ import annotations

import pytest

from seatrial.core.errors import NotExercised
from seatrial.core.quantities import Dimension, parse_quantity
from seatrial.core.stack import Endpoint, Presence
from seatrial.embedded import opensearch


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """What scripts/install-opensearch leaves, as far as it is looked at, and a java."""
    home, programs = tmp_path / "os", tmp_path / "bin"
    (home / "lib").mkdir(parents=True)
    programs.mkdir()
    for file in (home / "lib/opensearch-2.19.6.jar", home / "lib/opensearch-core-2.19.6.jar", home / "Server.class"):
        file.touch()
    (programs / "java").touch(mode=0o755)
    monkeypatch.setenv("OPENSEARCH", str(home))
    monkeypatch.setenv("PATH", str(programs))
    return home


def test_one_node_on_loopback_that_leaves_nothing_in_the_machines_own_places(installed, expand):
    (blueprint,) = expand("search", "opensearch", heap=parse_quantity("512 MiB", Dimension.SIZE)).values()
    (instance,) = blueprint.instances
    assert blueprint.exports == {
        "url": "http://search:20001", "host": "search", "port": "20001", "addresses": "search:20001",
    }  # fmt: skip
    assert instance.argv[-4:] == ["Server", str(instance.directory), "20001", "20002"]
    assert {"-Xmx512m", f"-Djava.io.tmpdir={instance.directory}/tmp", "-XX:-UsePerfData"} <= {*instance.argv}
    assert (instance.directory / "tmp").is_dir()
    assert opensearch.found().startswith(f"2.19.6 in {installed}, run by ")


@pytest.mark.parametrize(("status", "ready"), [("green", True), ("yellow", True), ("red", False)])
def test_it_is_ready_when_its_cluster_is_well(installed, expand, status, ready):
    check = expand("opensearch")["opensearch"].ready
    assert check.call.what == "GET /_cluster/health"
    assert check.expect.evaluate({"status": 200, "json": {"status": status}}).truth is ready


def test_what_is_missing_is_named_with_what_brings_it(installed, expand, tmp_path, monkeypatch):
    assert opensearch.lacks() == ""
    (tmp_path / "bin/java").unlink()
    assert "java, which runs it, is not on PATH" in opensearch.lacks()
    (installed / "Server.class").unlink()
    with pytest.raises(NotExercised, match=r"os \(\$OPENSEARCH\), and comes in no wheel: scripts/install-opensearch"):
        expand("opensearch")
    monkeypatch.delenv("OPENSEARCH")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert f"OpenSearch is not in {tmp_path}/data/seatrial/opensearch, and" in opensearch.lacks()


def test_one_that_something_else_started():
    at = Endpoint(name="http", scheme="http", host="10.0.0.7", port=9200)
    found = opensearch.describe(Presence(service="search", instances=[{"http": at}]))
    assert found.exports["url"] == "http://10.0.0.7:9200"
    assert found.ready.call.what == "GET /_cluster/health"
