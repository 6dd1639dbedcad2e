"""Probe `tcp`: is a connection accepted, and what is said first."""

from __future__ import annotations

import asyncio
import socket
import time

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, target_error, value
from ..core.quantities import Dimension, Quantity
from ..core.shapes import BOOLEAN, TEXT, Field
from ..core.vocabulary import Verb
from .aiming import endpoints, located

_MOST = 1024

VERB = Verb(
    name="tcp",
    doc="A TCP connection; the text is sent once it stands (leave it empty to send nothing).",
    what=TEXT,
    observes={"accepted": Type.BOOL, "banner": Type.TEXT, "latency": Type.DURATION},
    run="seatrial.probes.tcp:run",
    arguments={
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "answer": Field(
            shape=BOOLEAN, doc="Wait for an answer: a paused process still accepts (true where something is sent)."
        ),
    },
    default_expect="accepted == true",
    example='tcp: ""',
    opens=lambda what, arguments: not what and not arguments.get("answer"),
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt; `latency` is that of the connection."""
    found = endpoints(request, ("tcp",), request.arguments.get("endpoint"))
    if isinstance(found, Observation):
        return found
    endpoint = found[0]
    address = f"{endpoint.host}:{endpoint.port}"
    record: dict[str, object] = {"address": address}
    text = str(request.what or "")
    wants_answer = bool(request.arguments.get("answer", bool(text)))
    began, banner = time.monotonic_ns(), b""
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            try:
                latency = Quantity(time.monotonic_ns() - began, Dimension.DURATION)
                if text:
                    writer.write(text.encode())
                    await writer.drain()
                if wants_answer:
                    banner = await reader.read(_MOST)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return target_error("timeout", f"{address}: no answer in time", record)
    except ConnectionRefusedError:
        return target_error("refused", f"{address}: connection refused", record)
    except (OSError, UnicodeError) as error:
        word = "name" if isinstance(error, socket.gaierror | UnicodeError) else "reset"
        return target_error(word, f"{address}: {getattr(error, 'strerror', None) or error}", record)
    if wants_answer and not banner:
        return target_error("closed", f"{address}: the connection was closed without an answer", record)
    shown = banner.decode(errors="replace")
    values = {"accepted": True, "banner": shown, "latency": latency}
    return located(value(values, {**record, "banner": shown}, f"{address} accepted"), request, endpoint)
