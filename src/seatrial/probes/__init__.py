"""Probes: they read a fact and never judge. One a file; a client library is imported when its probe is used."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Iterable, Mapping

from ..core.vocabulary import Verb
from . import (
    celery,
    command,
    compare,
    converge,
    dns,
    grpc,
    http,
    link,
    log,
    process,
    prometheus,
    promql,
    redis,
    services,
    split,
    sql,
    stack,
    tcp,
    tries,
    websocket,
)

VERBS: Mapping[str, Verb] = {
    module.VERB.name: module.VERB
    for module in (
        http,
        prometheus,
        promql,
        websocket,
        grpc,
        split,
        tcp,
        dns,
        sql,
        redis,
        compare,
        celery,
        process,
        services,
        stack,
        link,
        tries,
        converge,
        log,
        command,
    )
}


_CLIENTS = {
    "http": ("seatrial.probes.requesting",),
    "split": ("seatrial.probes.asking",),
    "sql": ("seatrial.probes.postgres",),
    "redis": ("redis.asyncio",),
    "celery": ("celery.app.control", "kombu.transport.redis"),
    "dns": ("dns.asyncresolver",),
    "prometheus": ("seatrial.probes.requesting", "prometheus_client.parser"),
    "promql": ("seatrial.probes.requesting",),
    "websocket": ("seatrial.clients.websocket",),
    "grpc": ("seatrial.clients.grpc",),
    "compare": ("seatrial.compare.probe", "seatrial.compare.sources.postgres"),
}


async def prepare(verbs: Iterable[str]) -> None:
    """Import the client libraries of these verbs, beside the event loop: a first attempt does it otherwise, and is late.

    What is not installed is left to the probe, which says so.
    """
    modules = [module for verb in verbs for module in _CLIENTS.get(verb, ())]

    def load() -> None:
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)

    await asyncio.to_thread(load)


async def close() -> None:
    """Close the connections that are kept alive between attempts."""
    await http.close()


__all__ = ["VERBS", "close", "prepare"]
