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

VERB = Verb(
    name="tcp",
    doc="A TCP connection; the text is sent once it stands (leave it empty to send nothing).",
    what=TEXT,
    observes={"accepted": Type.BOOL, "banner": Type.TEXT, "latency": Type.DURATION},
    run="seatrial.probes.tcp:run",
    arguments={
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "answer": Field(shape=BOOLEAN, doc="Wait for an answer: a paused process still accepts (false)."),
    },
    default_expect="accepted == true",
    example='tcp: ""',
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    wanted = request.arguments.get("endpoint")
    endpoints = [e for n, e in request.reach.endpoints.items() if wanted is None or n.split("#")[0] == wanted]
    if not endpoints:
        return target_error("absent", f"{request.reach.name} has no endpoint that is running")
    host, port = endpoints[0].host, endpoints[0].port
    record = {"address": f"{host}:{port}"}
    began = time.monotonic_ns()
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                latency = Quantity(time.monotonic_ns() - began, Dimension.DURATION)
                text = str(request.what or "")
                if text:
                    writer.write(text.encode())
                    await writer.drain()
                banner = await reader.read(1024) if request.arguments.get("answer") else b""
            finally:
                writer.transport.abort()
    except TimeoutError:
        return target_error("timeout", f"{host}:{port}: no answer in time", record)
    except ConnectionRefusedError:
        return target_error("refused", f"{host}:{port}: connection refused", record)
    except OSError as error:
        return target_error(
            "name" if isinstance(error, socket.gaierror) else "reset",
            f"{host}:{port}: {error.strerror or error}",
            record,
        )
    shown = banner.decode(errors="replace")
    return value(
        {"accepted": True, "banner": shown, "latency": latency}, {**record, "banner": shown}, f"{host}:{port} accepted"
    )
