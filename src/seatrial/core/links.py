"""Links: the ways between services that a platform can break, and what passed through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .stack import LINK, Endpoint, Instance

KIND = "link"  # of the service that a link is
OUTSIDE = "clients"  # whoever is no service of the stack
WAYS = ("to", "from")  # towards the service that is served, and back


def link_name(client: str, service: str) -> str:
    """The name of the link from a service to another: ``web -> postgres``."""
    return f"{client}{LINK}{service}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkEnd:
    """An address of a link, and the one behind it."""

    listens: Endpoint
    to: Endpoint


@dataclass(frozen=True, slots=True)
class Tried:
    """Something that was tried at a link: when (ns of CLOCK_MONOTONIC), and how long its caller wants to wait for it, where it said so
    (gRPC's deadline, ns).
    """

    at_ns: int
    deadline_ns: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkTraffic:
    """What has passed through a link since it was made, counted where it was passed on.

    `connections` were accepted, `turned_away` of them never reached the service because the link was broken, `reached` did; `open` are
    there now. `requests`: over HTTP/1.1 their heads, over gRPC (HTTP/2) their streams; None where the protocol is not known. `held` bytes
    wait for the link to be mended, or for their time. `kept`: requests that an impairment answered or cut off, and the service
    never saw. Sizes in bytes.
    """

    connections: int
    turned_away: int
    reached: int
    open: int
    requests: int | None
    bytes_to: int
    bytes_from: int
    held: int
    kept: int | None


def sum_of(parts: Sequence[LinkTraffic]) -> LinkTraffic:
    """Of several addresses or instances together; requests where the protocol of any is known."""
    known = [p.requests for p in parts if p.requests is not None]
    kept = [p.kept for p in parts if p.kept is not None]
    return LinkTraffic(
        connections=sum(p.connections for p in parts),
        turned_away=sum(p.turned_away for p in parts),
        reached=sum(p.reached for p in parts),
        open=sum(p.open for p in parts),
        requests=sum(known) if known else None,
        bytes_to=sum(p.bytes_to for p in parts),
        bytes_from=sum(p.bytes_from for p in parts),
        held=sum(p.held for p in parts),
        kept=sum(kept) if kept else None,
    )


@runtime_checkable
class HasWaysAround(Protocol):
    """A platform where links are not the only way between services: they are led around what is usual, as long as rules are there."""

    async def around(self, link: Instance) -> Sequence[str]:
        """What goes past a link now, or would, in words; nothing where all goes through it."""
        ...


@runtime_checkable
class HasLinks(Protocol):
    """A platform whose links can be impaired. What a link did to its connections ends with whoever ordered it, whatever ended them."""

    def ends(self, link: Instance) -> Sequence[LinkEnd]:
        """Its addresses."""
        ...

    async def impair(self, link: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """Begin an impairment (a name and the arguments of seatrial.links.impairments); its number, to mend it by."""
        ...

    async def mend(self, link: Instance, number: int) -> None:
        """End an impairment. Raises PlatformError where it had ended before: the proxy was started anew meanwhile."""
        ...

    async def traffic(self, link: Instance) -> LinkTraffic: ...

    async def tries(self, link: Instance, since_ns: int) -> Sequence[Tried]:
        """What was tried after a moment, in order: a request that was passed on or kept, a connection that could carry none
        (turned away, held, or refused by the service); without a known protocol a connection. The last 100,000 of each address are known.
        """
        ...
