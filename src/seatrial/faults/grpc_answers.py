"""Faults `grpc-status`, `grpc-abort`: some calls over gRPC are answered by the link, or their streams are reset."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.links import LinkEnd
from ..core.stack import Endpoint, Instance
from .knocking import Knock, greeting, opened
from .linking import LinkFault
from .of_links import CODES

_PATIENCE_S = 2.0
_DATA, _HEADERS, _RST_STREAM = 0, 1, 3
_NOBODY = "SeatrialWitness"  # a method that no service has, where the pattern leaves it open


class GrpcFault(LinkFault):
    """core.faults.Fault. It is seen by a call through the link that it hits, with an empty message, of a method that nobody has where its
    path leaves that open. Where it hits a share, the others reach the service.
    """

    KIND = "grpc"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The code as a number."""
        read = super().read(given)
        return {**read, "code": CODES.index(str(read["code"])) + 1} if "code" in read else read

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Call through the link."""
        path = str(self.arguments.get("path") or "/*").replace("*", _NOBODY)
        began = time.monotonic_ns()
        said = await _call(end.listens, path)
        through = Knock(outcome="answered" if said else "silent", began_ns=began, took_ns=time.monotonic_ns() - began)
        wanted = "reset" if self.arguments.get("abort") else f"code {self.arguments['code']}, kept"
        testimony = self.testify(victim, end, through, past, acted=said == wanted)
        return replace(testimony, detail=f"{path}, which ended with {said or 'nothing'}: {testimony.detail}")


class GrpcAbort(GrpcFault):
    """Their streams are reset."""

    def __init__(self, order: FaultOrder) -> None:
        super().__init__(order)
        self.arguments["abort"] = True


async def _call(endpoint: Endpoint, path: str) -> str:
    """How a call with an empty message ends: "reset", "code 14", "code 14, kept" where it was kept from the service; empty for silence."""
    try:
        import hpack
    except ImportError:
        raise NotExercised("calls over gRPC are read with hpack: pip install 'seatrial[grpc]'") from None
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": f"{endpoint.host}:{endpoint.port}",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = hpack.Encoder().encode(list(fields.items()))
    decoder = hpack.Decoder()
    try:
        async with asyncio.timeout(_PATIENCE_S), opened(endpoint) as (reader, writer):
            writer.write((greeting("grpc") or b"") + _frame(_HEADERS, 4, block) + _frame(_DATA, 1, bytes(5)))
            while True:
                head = await reader.readexactly(9)
                body = await reader.readexactly(int.from_bytes(head[:3], "big"))
                if int.from_bytes(head[5:], "big") != 1:
                    continue
                if head[3] == _RST_STREAM:
                    return "reset"
                if head[3] == _HEADERS:
                    found = dict(decoder.decode(body, raw=True))
                    if b"grpc-status" in found:
                        kept = ", kept" if b"seatrial" in found.get(b"grpc-message", b"") else ""
                        return f"code {found[b'grpc-status'].decode()}{kept}"
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return ""


def _frame(kind: int, flags: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, 1]) + body
