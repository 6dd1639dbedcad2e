"""Networks of containers: impaired in their namespaces from this machine, and taken off by the engine.

What is done in a namespace takes root on the engine's own machine (see seatrial.platforms.namespaces). A network that a container was taken
off is a remedy like the rest: it is put back with the names and the address that it had there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ...core.errors import NotExercised, PlatformError
from ...core.networks import Means, Sound, Sounding
from ...core.processes import ProcessId, Supervisor
from ...core.stack import Instance
from ..namespaces.networks import Networks
from ..namespaces.sounding import NOBODYS_PORT
from ..namespaces.sounding import sound as sounded
from . import removal
from .containers import Container
from .engine import Engine
from .fleet import Fleet
from .orders import WATCH_S, Orders


@dataclass(frozen=True, kw_only=True, slots=True)
class _Apart:
    """A container that was taken off networks: their remedies."""

    container: Container
    remedies: tuple[str, ...]


class ContainerNetworks:
    """Of one platform. `networks` does what is done in namespaces."""

    def __init__(
        self, engine: Engine, fleet: Fleet, supervisor: Supervisor, *, local: bool, logs: Path, comment: str
    ) -> None:
        self._engine, self._fleet, self._supervisor, self._local = engine, fleet, supervisor, local
        self.networks = Networks(supervisor, directory=logs, comment=comment)
        self._apart: dict[int, _Apart] = {}
        self._orders = Orders()
        self._numbers = count(-1, -1)  # those of Networks are positive
        self._known: dict[str, Mapping[str, str]] = {}  # the addresses that each had when it last had any

    async def impair(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """CanImpairNetworks."""
        container = self._fleet.get(instance)
        await self._fleet.inspect(container)
        self.addresses(container)
        if kind == "disconnect":
            return await self._take_off(container, str(arguments.get("network") or ""))
        peers = arguments.get("peers") or ()
        addresses: list[str] = []
        for peer in peers if isinstance(peers, list | tuple) else ():
            addresses += await self._addresses_of(str(peer))
        given = {n: v for n, v in arguments.items() if n != "peers"}
        return await self.networks.impair(self.process(container), container.name, kind, given, addresses)

    async def mend(self, instance: Instance, number: int) -> None:
        """CanImpairNetworks. Raises PlatformError where it had ended before."""
        apart = self._apart.pop(number, None)
        if apart is None:
            await self.networks.mend(number)
            return
        await self._put_back(apart.remedies)
        await self._fleet.inspect(apart.container)
        self._fleet.show(apart.container)

    async def sound(self, victim: Instance, sound: Sound, origin: Instance | None) -> Sequence[Sounding]:
        """CanSoundNetworks: at an address of the container in a network that both are in."""
        container = self._fleet.get(victim)
        if not self._local:
            raise NotExercised(
                f"{container.name} is on another machine ({self._engine.address.url}): its network cannot be sounded from here"
            )
        whence = self._fleet.get(origin) if origin is not None else None
        where = self.process(whence) if whence is not None else None
        if sound.means is Means.NAME:
            return await sounded(where, sound, (container.service.name, NOBODYS_PORT))
        await self._fleet.inspect(container)
        addresses = self.addresses(container)
        shared = [a for n, a in addresses.items() if whence is None or n in self.addresses(whence)]
        if not shared:
            raise NotExercised(
                f"{container.name} has no address that {whence.name if whence else 'this machine'} can reach"
            )
        return await sounded(where, sound, (shared[0], NOBODYS_PORT))

    def process(self, container: Container) -> ProcessId:
        """Its first process. Raises NotExercised on another machine, PlatformError for one that is down."""
        if not self._local:
            raise NotExercised(
                f"the network of {container.name} is on another machine ({self._engine.address.url}): run seatrial there, as root"
            )
        if container.process is None:
            raise PlatformError(f"{container.name} is down ({container.detail()})")
        return container.process

    def addresses(self, container: Container) -> Mapping[str, str]:
        """By network; those that it had last, where it has none now."""
        found = {n: str(each["IPAddress"]) for n, each in networks_of(container).items() if each.get("IPAddress")}
        if found:
            self._known[container.name] = found
        return found or self._known.get(container.name, {})

    async def _addresses_of(self, service: str) -> list[str]:
        """Of all instances of a service, both families."""
        found = []
        for container in self._fleet.crews[service].containers if service in self._fleet.crews else ():
            await self._fleet.inspect(container)
            for each in networks_of(container).values():
                found += [str(each[k]) for k in ("IPAddress", "GlobalIPv6Address") if each.get(k)]
        if not found:
            raise NotExercised(f"{service} has no address: there is nobody to be kept from")
        return found

    async def _take_off(self, container: Container, only: str) -> int:
        number, remedies = next(self._numbers), list[str]()
        wanted = {n: e for n, e in networks_of(container).items() if not only or n == only or n.endswith(f"_{only}")}
        if not wanted:
            known = ", ".join(networks_of(container)) or "none"
            raise NotExercised(f"{container.name} is in no network {only}: it is in {known}")
        try:
            for name, endpoint in wanted.items():
                remedy = f"connect {container.name} ({container.id[:12]}) to {name}, {-number}"
                words = "connect", container.id, name, json.dumps(kept_of(endpoint))
                undo, watch = removal.both(self._engine.address, WATCH_S, *words)
                await self._supervisor.remedy(remedy, [undo], watch=[watch])
                remedies.append(remedy)
                path = f"/networks/{endpoint['NetworkID']}/disconnect"
                await self._orders.give(remedy, self._engine.post(path, body={"Container": container.id}))
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._put_back(remedies)))
            raise
        self._apart[number] = _Apart(container=container, remedies=tuple(remedies))
        return number

    async def _put_back(self, remedies: Sequence[str]) -> None:
        for remedy in remedies:
            await self._orders.over(remedy)
            await self._supervisor.settle(remedy)


def networks_of(container: Container) -> Mapping[str, Mapping[str, Any]]:
    """Its networks as it was last inspected."""
    networks = (container.details.get("NetworkSettings") or {}).get("Networks") or {}
    return {str(name): each for name, each in networks.items() if each}


def kept_of(endpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a connection to a network has to be said again: its names, and an address that was chosen for it."""
    kept = {name: endpoint.get(name) for name in ("Aliases", "Links", "IPAMConfig", "DriverOpts")}
    return {name: value for name, value in kept.items() if value}
