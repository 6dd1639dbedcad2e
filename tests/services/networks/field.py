"""A platform of processes in namespaces of their own, as far as faults at networks go: what does them is the product."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.core.networks import Sound, Sounding
from seatrial.core.platforms import ServiceView
from seatrial.core.stack import Instance, InstanceState
from seatrial.platforms.inspection import identity_of
from seatrial.platforms.namespaces.networks import Networks
from seatrial.platforms.namespaces.sounding import NOBODYS_PORT, sound

sys.path.insert(0, str(Path(__file__).parent))
from grounds import Grounds


class Field:
    """core.platforms.Platform, as far as these faults go: processes in namespaces of their own."""

    name = "field"
    capabilities = frozenset({"network"})

    def __init__(self, grounds: Grounds, networks: Networks) -> None:
        self._grounds, self._networks = grounds, networks

    def instance(self, name: str) -> Instance:
        place = self._grounds.places[name]
        return Instance(
            name=f"{name}#1", service=name, ordinal=1, state=InstanceState.RUNNING, ready=True, endpoints={},
            identity=identity_of(place.process), restarts=0, since_ns=0,
        )  # fmt: skip

    async def survey(self) -> Mapping[str, ServiceView]:
        return {
            n: ServiceView(
                name=n, kind="process", instances=[self.instance(n)], wanted=1, parameters={}, exports={}, roles={}
            )
            for n in ("web", "peer")
        }

    async def impair_network(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        place = self._grounds.places[instance.service]
        peers = [self._grounds.places[str(p)] for p in arguments.get("peers") or ()]  # type: ignore[attr-defined]
        addresses = [a for p in peers for a in (p.address[place.name], p.address6[place.name])]
        return await self._networks.impair(place.process, instance.name, kind, arguments, addresses)

    async def mend_network(self, instance: Instance, number: int) -> None:
        await self._networks.mend(number)

    async def sound(self, victim: Instance, what: Sound, origin: Instance | None) -> Sequence[Sounding]:
        place = self._grounds.places[victim.service]
        whence = self._grounds.places[origin.service] if origin else None
        outside = place.address["host" if whence is None or whence is place else whence.name]
        to = victim.service if what.means == "name" else outside
        return await sound(whence.process if whence else None, what, (to, NOBODYS_PORT))
