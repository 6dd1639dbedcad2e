"""Links of a local stack: ports between two services, all served by one process, the fault proxy."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..core.links import KIND, LinkEnd
from ..core.stack import Blueprint, Endpoint, FileBlueprint, InstanceBlueprint
from ..links.proxy import written
from ..links.route import RouteOrder
from .ground import LocalGround, Site
from .ports import LOOPBACK

HOST = "seatrial-links"  # the service that the proxy is
INSTANCE = f"{HOST}#1"


class LinkGround(LocalGround):
    """The ground of a service, with the ports of a link in place of its own: made concrete on it, the service is what its client sees."""

    def __init__(self, site: Site, service: str, link: str) -> None:
        super().__init__(site, service)
        self._link = link

    def take_port(self, label: str, number: int) -> int:
        """The number is the service's own: the link has another."""
        del number
        return self.port(label)

    def _key(self, label: str) -> str:
        return f"{self._link} {label}"


def lead(link: str, seen: Blueprint) -> Blueprint:
    """The link as a service: addresses, parameters and roles of what it leads to (`seen` through it), and nothing to start."""
    instances = [
        replace(
            instance,
            name=f"{link}#{number}",
            argv=(),
            prepare=(),
            files=(),
            after_ready=(),
            log=None,
            within=INSTANCE,
        )
        for number, instance in enumerate(seen.instances, 1)
    ]
    # It is ready when it accepts connections: whether the service does is its own affair.
    return replace(seen, service=link, kind=KIND, instances=instances, ready=None, steady=(), after=(HOST,))


def ends(link: InstanceBlueprint, to: InstanceBlueprint) -> Sequence[LinkEnd]:
    """Each address of one instance of a link, and what is behind it."""
    return [LinkEnd(listens=e, to=to.endpoints[name]) for name, e in link.endpoints.items() if name in to.endpoints]


def host_blueprint(pairs: Sequence[tuple[Blueprint, Blueprint]], site: Site) -> Blueprint:
    """The process behind all links; `pairs` of a link and what it leads to."""
    ground = LocalGround(site, HOST)
    control = (LOOPBACK, ground.port("control"))
    orders = [
        RouteOrder(
            link=own.name,
            listen=(end.listens.host, end.listens.port),
            to=(end.to.host, end.to.port),
            scheme=end.to.scheme,
        )
        for link, to in pairs
        for own, other in zip(link.instances, to.instances, strict=True)
        for end in ends(own, other)
    ]
    file = ground.directory / "links.json"
    return Blueprint(
        service=HOST,
        kind=HOST,
        instances=[
            InstanceBlueprint(
                name=INSTANCE,
                argv=[sys.executable, "-m", "seatrial.links", str(file)],
                directory=ground.directory,
                environment={"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
                endpoints={"control": Endpoint(name="control", scheme="tcp", host=control[0], port=control[1])},
                files=[FileBlueprint(path=file, content=written(orders, control, ground.secret("control")))],
            )
        ],
        exports={},
    )
