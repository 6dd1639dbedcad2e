"""Probe `grpc`: one call of any method."""

from __future__ import annotations

from dataclasses import replace

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest
from ..core.shapes import ANY, DURATION, TEXT, Field, mapping_of
from ..core.vocabulary import Verb
from ..core.writing import grpc_writes
from .speaking import ask

VERB = Verb(
    name="grpc",
    doc="A call of a gRPC method, package.Service/Method: found by the server's reflection, or in a descriptor set; health is known. "
    "The status that the server answers with is seen, whatever it is; `lasted` is how long the call alone took.",
    what=TEXT,
    observes={"code": Type.TEXT, "message": Type.ANY, "details": Type.TEXT, "size": Type.SIZE, "lasted": Type.DURATION},
    run="seatrial.probes.grpc:run",
    arguments={
        "message": Field(
            shape=ANY, doc="What is sent, as JSON; a list for a method that takes a stream.", example="{id: 7}"
        ),
        "metadata": Field(shape=mapping_of(TEXT), doc="Metadata to send."),
        "descriptors": Field(
            shape=TEXT, doc="A file by protoc --descriptor_set_out --include_imports, for servers without reflection."
        ),
        "deadline": Field(
            shape=replace(DURATION, least=1),
            doc="The call's own, which the server is told (grpc-timeout); it begins when there is a connection and the method is known. "
            "When it is over, the code is DEADLINE_EXCEEDED.",
            example="500ms",
        ),
    },
    default_expect='code == "OK"',
    extra="grpc",
    example="grpc: grpc.health.v1.Health/Check",
    client="grpc",
    sent=("message", "metadata", "descriptors"),
    inside="deadline",
    schemes=("grpc", "grpcs", "http", "https"),
    writes=grpc_writes,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    return await ask(request, VERB, "message", codes=True)
