"""Probe `websocket`: open, say something, wait for messages."""

from __future__ import annotations

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest
from ..core.shapes import ANY, COUNT, TEXT, Field, mapping_of
from ..core.vocabulary import Verb
from .speaking import ask

VERB = Verb(
    name="websocket",
    doc="A WebSocket on a connection of its own: the path; what is sent, and how many messages are waited for.",
    what=TEXT,
    observes={"message": Type.ANY, "size": Type.SIZE},
    run="seatrial.probes.websocket:run",
    arguments={
        "send": Field(
            shape=ANY, doc="Text, or JSON of anything else; nothing is sent without it.", example="{subscribe: trades}"
        ),
        "messages": Field(shape=COUNT, doc="So many are waited for; the last one is seen (1)."),
        "headers": Field(shape=mapping_of(TEXT), doc="Headers of the request that opens it."),
    },
    extra="websocket",
    example="websocket: /stream",
    client="websocket",
    sent=("send", "messages", "headers"),
    schemes=("ws", "wss", "http", "https"),
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    return await ask(request, VERB, "message")
