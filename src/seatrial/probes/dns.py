"""Probe `dns`: what a name resolves to, as seen where the target runs."""

from __future__ import annotations

import asyncio
import re
import socket

from ..core.errors import NotExercised
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import TEXT, Field, choice
from ..core.vocabulary import Verb

_PORT = 53
_SERVER = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")
_NO_SUCH_NAME = 2  # exit status of getent(1)

VERB = Verb(
    name="dns",
    doc="A name's addresses: resolved where the target runs (its own hosts file, resolver and rights), or from here without `at`.",
    what=TEXT,
    observes={"addresses": Type.list_of(Type.TEXT)},
    run="seatrial.probes.dns:run",
    arguments={
        "server": Field(shape=TEXT, doc="Ask this server (host or host:port) instead."),
        "type": Field(
            shape=choice("A", "AAAA", "CNAME", "MX", "NS", "SRV", "TXT"), doc="Kind of record, with `server` (A)."
        ),
    },
    needs_target=False,
    asks=False,
    example="dns: postgres",
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    name = str(request.what)
    if "server" in request.arguments:
        return await _ask_server(request, name, str(request.arguments["server"]))
    if request.reach.name:
        try:
            return await _ask_there(request, name)
        except NotExercised as error:
            return probe_error("not-exercised", str(error))
    return await _ask_here(request, name)


async def _ask_there(request: ProbeRequest, name: str) -> Observation:
    answer = await request.around.execute(["getent", "ahosts", name], request.timeout_ns)
    record = {"command": f"getent ahosts {name}", "exit": answer.exit_status, "output": answer.stdout[:500]}
    if answer.timed_out:
        return target_error("timeout", f"{name} did not resolve in time", record)
    if answer.exit_status not in (0, _NO_SUCH_NAME):
        said = answer.stderr.strip() or f"exit {answer.exit_status}"
        return probe_error("no-program", f"getent could not ask where {request.reach.name} runs: {said}", record)
    addresses = list(dict.fromkeys(line.split()[0] for line in answer.stdout.splitlines() if line.split()))
    if not addresses:
        return target_error("name", f"{name} does not resolve where {request.reach.name} runs", record)
    return value({"addresses": addresses}, record, f"{name} is {', '.join(addresses)} for {request.reach.name}")


async def _ask_here(request: ProbeRequest, name: str) -> Observation:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        return target_error("timeout", f"{name} did not resolve in time")
    except (OSError, UnicodeError) as error:
        return target_error("name", f"{name}: {getattr(error, 'strerror', None) or error}")
    addresses = list(dict.fromkeys(str(f[4][0]) for f in found))
    return value({"addresses": addresses}, {"name": name, "addresses": addresses}, f"{name} is {', '.join(addresses)}")


async def _ask_server(request: ProbeRequest, name: str, server: str) -> Observation:
    try:
        from dns.asyncresolver import Resolver
        from dns.exception import DNSException, Timeout
        from dns.resolver import NXDOMAIN, NoAnswer
    except ImportError:
        return probe_error("no-client", "dnspython is not installed: pip install 'seatrial[dns]'")
    host, port = _address(server)
    resolver = Resolver(configure=False)
    resolver.port = port
    record = {"name": name, "server": server}
    try:
        resolver.nameservers = [host]
    except ValueError:
        return probe_error("spec", f"the server is not an IP address: {host}", record)
    try:
        found = await resolver.resolve(name, str(request.arguments.get("type", "A")), lifetime=request.timeout_ns / 1e9)
    except (NXDOMAIN, NoAnswer):
        return target_error("name", f"{server} knows no {name}", record)
    except Timeout:
        return target_error("timeout", f"{server} did not answer in time", record)
    except (DNSException, OSError) as error:
        return target_error("protocol", f"{server}: {error}", record)
    addresses = [str(r) for r in found]
    return value({"addresses": addresses}, {**record, "addresses": addresses}, f"{name} is {', '.join(addresses)}")


def _address(server: str) -> tuple[str, int]:
    """(host, port) of host, host:port or [host]:port."""
    match = _SERVER.fullmatch(server)
    if match is None:
        return server, _PORT
    return match["six"] or match["host"], int(match["port"] or _PORT)
