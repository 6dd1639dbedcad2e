"""Sends a load from the workers of an existing dask.distributed cluster.

Each worker gets one task that nothing else may run; what it does there is in `machines`, how it is looked after in `remote`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
import uuid
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core.clusters import Cluster
from ..core.errors import SeatrialError, UsageError
from .machines import about, hold
from .packing import pack
from .process import part_files, shares
from .remote import Call, Machine, RemoteGenerator, RemoteLoad

_CONNECT_S = 10.0
_CHECK_S = 20.0
_CLOSE_S = 5.0
_AGREED_NS = 1_000_000_000  # until a machine's generators have read their configuration
_AGREED_EACH_NS = 400_000_000  # and for each of them


def library() -> Any:
    """dask.distributed. Raises UsageError, saying how to get it."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise UsageError.simple(
            f"a load cannot be sent from a Dask cluster here: {error}", "pip install 'seatrial[dask]'"
        ) from None


async def start_on(cluster: Cluster, config: Mapping[str, Any], workers: int) -> RemoteLoad:
    """Start a load on a cluster; returns when it is about to send. `config` as LoadProcess.start has it; `workers`: generators in all,
    at least one on each Dask worker. Raises SeatrialError when it cannot be sent from there.
    """
    client = await _client(cluster)
    tasks: list[Any] = []
    found: list[Machine] = []

    async def close() -> None:
        await asyncio.gather(*(m.release() for m in found))
        with contextlib.suppress(Exception):  # the cluster is gone, and our tasks with it
            async with asyncio.timeout(_CLOSE_S):
                await client.cancel(tasks)
        with contextlib.suppress(Exception):
            await client.close(timeout=_CLOSE_S)

    try:
        there = await _checked(client, cluster, config)
        packed, files = pack(config)
        each = shares(packed, max(workers, len(there)))
        used = dict(list(there.items())[: len(each)])
        token = uuid.uuid4().hex
        found += [Machine(address, _calling(client, address), token, config["timeout_ns"] / 1e9) for address in used]
        for n, part in enumerate(part_files(Path(config["file"]), len(each))):
            machine = found[n % len(found)]
            machine.generators.append(RemoteGenerator(machine, part))
        for address, of in used.items():
            tasks.append(
                client.submit(
                    hold, token, of["directory"], key=f"seatrial-{config['name']}-{token}-{len(tasks)}",
                    workers=[address], allow_other_workers=False, pure=False, retries=0,
                )
            )  # fmt: skip
        await asyncio.gather(*(m.ready() for m in found))
        most = len(found[0].generators)
        start = time.monotonic_ns() + _AGREED_NS + most * _AGREED_EACH_NS
        await asyncio.gather(*(m.give(each[n :: len(found)], files, start) for n, m in enumerate(found)))
    except BaseException as error:
        await close()
        if isinstance(error, SeatrialError) or not isinstance(error, Exception):
            raise
        raise SeatrialError(
            f"load {config['name']} could not be sent from {cluster.address}: {_said(error)}"
        ) from error
    return RemoteLoad(config, found, min(g.at_ns for m in found for g in m.generators), close)


async def _client(cluster: Cluster) -> Any:
    distributed = library()
    security = None
    if cluster.ca or cluster.cert or cluster.key:
        security = distributed.Security(
            tls_ca_file=cluster.ca or None,
            tls_client_cert=cluster.cert or None,
            tls_client_key=cluster.key or None,
            require_encryption=True,
        )
    client = None
    try:
        client = distributed.Client(
            cluster.address, asynchronous=True, timeout=_CONNECT_S, security=security, set_as_default=False
        )
        return await client
    except BaseException as error:
        if client is not None:
            with contextlib.suppress(Exception):
                await client.close(timeout=_CLOSE_S)
        if not isinstance(error, Exception):
            raise
        raise SeatrialError(f"no Dask scheduler can be used at {cluster.address}: {_said(error)}") from error


def _calling(client: Any, address: str) -> Call:
    async def call(function: Any, *arguments: Any) -> Any:
        return (await client.run(function, *arguments, workers=[address]))[address]

    return call


async def _checked(client: Any, cluster: Cluster, config: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """The workers by address, and what they said of themselves. Raises UsageError for what does not fit together."""
    async with asyncio.timeout(_CHECK_S):
        there: dict[str, Any] = await client.run(about, on_error="return")
        if not there:
            raise SeatrialError(f"the cluster at {cluster.address} has no workers")
        try:
            scheduler = await client.run_on_scheduler(about)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from running what is ours
            scheduler = error
    own = about()
    wrong = [
        _misfit(name, said, own) for name, said in {f"the scheduler {cluster.address}": scheduler, **there}.items()
    ]
    wrong = [w for w in wrong if w]
    if wrong:
        hint = f"install seatrial {own['seatrial']} on Python {own['python']} on the scheduler and on each worker"
        raise UsageError.simple("; ".join(wrong), hint)
    local = [url for url in config["urls"] if _is_local(url)]
    elsewhere = [name for name, said in there.items() if said["machine"] != own["machine"]]
    if local and elsewhere:
        raise UsageError.simple(
            f"{local[0]} means another machine on the worker {elsewhere[0]}", "an address that all machines reach"
        )
    return there


def _misfit(name: str, said: Mapping[str, str] | Exception, own: Mapping[str, str]) -> str:
    """What is wrong with a process of the cluster; empty when nothing is."""
    if isinstance(said, Exception):
        return f"{name} cannot run seatrial {own['seatrial']}: {_said(said)}"
    if said["seatrial"] != own["seatrial"]:
        return f"{name} has seatrial {said['seatrial']}, this is {own['seatrial']}"
    if said["python"].split(".")[:2] != own["python"].split(".")[:2]:
        return f"{name} runs on Python {said['python']}, this on {own['python']}"
    return ""


def _is_local(url: str) -> bool:
    """Whether each machine would take it for its own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "unix" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _said(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


__all__: Sequence[str] = ("library", "start_on")
