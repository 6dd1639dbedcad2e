"""Kind `opensearch`: one node of a search engine, on loopback, without the security plugin.

It comes in no wheel: scripts/install-opensearch puts it, from what Maven Central has, into $OPENSEARCH or where that is not set.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.errors import NotExercised
from ..core.plan import CheckPlan
from ..core.quantities import Quantity
from ..core.stack import Blueprint, Description, Ground, InstanceBlueprint, Presence, ServicePlan
from .making import addresses, check, endpoint, environment, located, present

_VARIABLE = "OPENSEARCH"
_MAIN = "Server"  # of scripts/opensearch/Server.java
_HEAP_BYTES = 256 * 1024 * 1024
_MIB = 1024 * 1024
_JAR = re.compile(r"opensearch-(\d+(?:\.\d+)+)\.jar")


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. Raises NotExercised, saying what would bring it."""
    if why := lacks():
        raise NotExercised(why)
    home, directory = place(), ground.directory
    http, transport = ground.port("http"), ground.port("transport")
    scratch = directory / "tmp"  # else it leaves its native library in the machine's own
    scratch.mkdir(mode=0o700, exist_ok=True)
    heap = arguments.get("heap")
    size = f"{max(1, round((heap.value if isinstance(heap, Quantity) else _HEAP_BYTES) / _MIB))}m"
    # The first compiler alone, and one thread for the heap: it is there in half the time, at half the processor's.
    argv = [
        _java(), f"-Xms{size}", f"-Xmx{size}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={scratch}", f"-Djna.tmpdir={scratch}", "-cp", f"{home}/lib/*:{home}",
        _MAIN, str(directory), str(http), str(transport),
    ]  # fmt: skip
    instance = InstanceBlueprint(
        name=f"{plan.name}#1",
        argv=argv,
        directory=directory,
        environment=environment(),
        endpoints={"http": endpoint("http", "http", http)},
    )
    host = ground.host(plan.name)
    return [
        Blueprint(
            service=plan.name,
            kind="opensearch",
            instances=[instance],
            exports={
                "url": f"http://{host}:{http}",
                "host": host,
                "port": str(http),
                "addresses": addresses(host, [instance]),
            },
            ready=_healthy(),
        )
    ]


def describe(presence: Presence) -> Description:
    """One that something else started."""
    return Description(exports=located(present(presence, "http")), ready=_healthy())


def place() -> Path:
    """Where it is looked for."""
    given = os.environ.get(_VARIABLE)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(given) if given else Path(data) / "seatrial/opensearch"


def found() -> str:
    """What there is, for people."""
    return f"{_version()} in {place()}, run by {_java()}"


def lacks() -> str:
    """What would bring it; empty where it is here."""
    if not _version() or not (place() / f"{_MAIN}.class").is_file():
        named = f" (${_VARIABLE})" if os.environ.get(_VARIABLE) else ""
        return (
            f"OpenSearch is not in {place()}{named}, and comes in no wheel: scripts/install-opensearch puts it there "
            "(Java 11 to 21, and Maven)"
        )
    if not _java():
        return f"OpenSearch is in {place()}, and java, which runs it, is not on PATH: install Java 11 to 21"
    return ""


def _version() -> str:
    names = (_JAR.fullmatch(p.name) for p in (place() / "lib").glob("opensearch-*.jar"))
    return next((m[1] for m in names if m), "")


def _java() -> str:
    return shutil.which("java") or ""


def _healthy() -> CheckPlan:
    return check("http", "GET /_cluster/health", 'json.status == "green" or json.status == "yellow"', endpoint="http")
