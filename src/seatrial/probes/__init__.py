"""Probes: they read a fact and never judge. One a file; a client library is imported when its probe is used."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.vocabulary import Verb
from . import celery, command, dns, http, log, process, redis, services, sql, tcp

VERBS: Mapping[str, Verb] = {
    module.VERB.name: module.VERB for module in (http, tcp, dns, sql, redis, celery, process, services, log, command)
}


async def close() -> None:
    """Close the connections that are kept alive between attempts."""
    await http.close()


__all__ = ["VERBS", "close"]
