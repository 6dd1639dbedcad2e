"""Probe `celery`: which workers answer."""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import ANY, TEXT, Field, choice, mapping_of
from ..core.vocabulary import Verb

VERB = Verb(
    name="celery",
    doc="Asks the workers on a broker, as `celery inspect` does.",
    what=choice("ping", "stats", "active", "registered"),
    observes={"workers": Type.NUMBER, "names": Type.list_of(Type.TEXT), "reply": Type.ANY},
    run="seatrial.probes.celery:run",
    arguments={
        "broker": Field(shape=TEXT, required=True, doc="The broker's URL.", example="redis://127.0.0.1:6379/0"),
        "transport-options": Field(
            shape=mapping_of(ANY), doc="For the transport, for example {master_name: mymaster}."
        ),
    },
    default_expect="workers >= 1",
    needs_target=False,
    extra="celery",
    example="{celery: ping, broker: redis://127.0.0.1:6379/0}",
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt; the client is blocking, so it runs in a thread."""
    try:
        from celery import Celery
    except ImportError:
        return probe_error("no-client", "celery is not installed: pip install 'seatrial[celery]'")
    seconds = request.timeout_ns / 1e9
    options = request.arguments.get("transport-options")
    app = Celery("seatrial", broker=str(request.arguments["broker"]), set_as_current=False)
    app.conf.broker_transport_options = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        **(options if isinstance(options, dict) else {}),
    }
    app.conf.broker_connection_retry = False

    def ask() -> dict[str, Any]:
        try:
            inspect = app.control.inspect(timeout=min(1.0, seconds / 2))
            return getattr(inspect, str(request.what))() or {}
        finally:
            app.close()

    try:
        async with asyncio.timeout(seconds):
            reply = await asyncio.to_thread(ask)
    except TimeoutError:
        return target_error("timeout", "the broker did not answer in time")
    except Exception as error:  # noqa: BLE001 - kombu lets through what its transports raise
        return target_error("refused", f"{type(error).__name__}: {error}")
    names = sorted(reply)
    values = {"workers": len(names), "names": names, "reply": reply}
    return value(
        values,
        {"command": f"inspect {request.what}", "reply": reply},
        f"{len(names)} workers answer: {', '.join(names)}",
    )
