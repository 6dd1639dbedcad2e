"""What a compose file promises of a service, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...core import cgroups
from ...core.errors import PlatformError
from ...core.stack import Actual, Declaration, Limits, Volume
from .config import Config
from .containers import Container

_READS = frozenset({"environment", "limits", "ports", "volumes"})


def declared(config: Config) -> Mapping[str, Declaration]:
    """By service of the stack; of several that are one, the first's, with the replicas of all."""
    found = {}
    for name, members in config.members().items():
        first = members[0].declaration
        found[name] = replace(
            first,
            service=name,
            replicas=sum(m.declaration.replicas for m in members),
            after={(config.services[o].part_of if o in config.services else o): how for o, how in first.after.items()},
        )
    return found


def of(container: Container) -> Actual:
    """From its last inspection. Raises PlatformError for an instance that is down."""
    details = container.details
    if not container.id or container.status not in ("running", "paused"):
        raise PlatformError(f"{container.name} is down ({container.detail()}): there is nothing to read")
    host: Mapping[str, Any] = details.get("HostConfig") or {}
    pairs = (str(line).partition("=") for line in (details.get("Config") or {}).get("Env") or [])
    return Actual(
        reads=_READS,
        environment={name: value for name, _, value in pairs},
        limits=Limits(
            cpus=_cpus(host),
            memory_bytes=memory if 0 < (memory := int(host.get("Memory") or 0)) < cgroups.UNLIMITED else None,
            pids=pids if (pids := int(host.get("PidsLimit") or 0)) > 0 else None,
        ),
        ports=dict(_ports((details.get("NetworkSettings") or {}).get("Ports") or {})),
        volumes=[_volume(m) for m in details.get("Mounts") or []],
    )


def _cpus(host: Mapping[str, Any]) -> float | None:
    if nano := int(host.get("NanoCpus") or 0):
        return nano / 1e9
    quota, period = int(host.get("CpuQuota") or 0), int(host.get("CpuPeriod") or 0)
    return quota / period if quota > 0 and period > 0 else None


def _ports(ports: Mapping[str, Any]) -> list[tuple[int, int | None]]:
    """Its TCP ports that are published, and where; the first binding counts (IPv6 has another of the same number)."""
    return [
        (int(key.partition("/")[0]), int(bindings[0]["HostPort"]))
        for key, bindings in ports.items()
        if bindings and key.endswith("/tcp")
    ]


def _volume(mount: Mapping[str, Any]) -> Volume:
    return Volume(
        target=str(mount.get("Destination")),
        source=str(mount.get("Name") or mount.get("Source") or ""),
        read_only=mount.get("RW") is False,
        kept=mount.get("Type") in ("volume", "bind"),
    )
