"""One operation by a client that loads use as well, as a probe."""

from __future__ import annotations

import asyncio

from ..arrivals.errors import ERRORS
from ..clients import connector
from ..clients.protocol import Access, Failure, Operation
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.quantities import Dimension, Quantity
from ..core.vocabulary import Verb
from .aiming import endpoints, located

_WORDS = {
    "UNAVAILABLE": "unavailable",
    "DEADLINE_EXCEEDED": "timeout",
}  # of a connection, not of a server that answered
_SHOWN = 2048


async def ask(request: ProbeRequest, verb: Verb, name: str, *, codes: bool = False) -> Observation:
    """Connect, ask once, close; the answer is seen as `name`. `codes`: a server's refusal is an answer, too, with its code, and so is
    the end of the call's own `deadline`.
    """
    try:
        make = connector(verb.client)
    except ImportError as error:
        return probe_error("no-client", str(error))
    found = endpoints(request, verb.schemes)
    if isinstance(found, Observation):
        return found
    what = str(request.what)
    record: dict[str, object] = {verb.name: what, "server": found[0].url}
    access = Access(urls=(found[0].url,), parameters=request.reach.parameters, headers=request.headers)
    client = make(access)()
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            reply = await client.call(Operation(what, request.arguments))
    except TimeoutError:
        return target_error("timeout", f"{what}: no answer in time", record)
    except Failure as failure:
        return located(_failed(failure, request, record, codes), request, found[0])
    finally:
        await client.close()
    shown = str(reply.value)
    record[name] = reply.value if len(shown) <= _SHOWN else shown[:_SHOWN]
    values = {name: reply.value, "size": Quantity(float(reply.size), Dimension.SIZE)}
    if codes:
        values |= {"code": "OK", "details": "", **_lasted(reply.lasted_ns, request, record)}
    return located(value(values, record, f"{what}: {shown[:120]}"), request, found[0])


def _lasted(lasted_ns: int, request: ProbeRequest, record: dict[str, object]) -> dict[str, object]:
    """The call alone, without what came before it; what it may take at most stands beside it in the evidence."""
    if not lasted_ns:
        return {}
    lasted, deadline = Quantity(lasted_ns, Dimension.DURATION), request.arguments.get("deadline")
    record["lasted"] = str(lasted)
    if deadline is not None:
        record["deadline"] = str(deadline)
    return {"lasted": lasted}


def _failed(failure: Failure, request: ProbeRequest, record: dict[str, object], codes: bool) -> Observation:
    if failure.word in ("message", "descriptors"):
        return probe_error("spec", str(failure), record)
    own = failure.word == "DEADLINE_EXCEEDED" and request.arguments.get("deadline") is not None
    if codes and failure.word and (own or failure.word not in _WORDS):
        values: dict[str, object] = {"code": failure.word, "details": str(failure), "message": None}
        values |= _lasted(failure.lasted_ns, request, record)
        return value(values, {**record, "code": failure.word}, str(failure))
    return target_error(_WORDS.get(failure.word, ERRORS[failure.code]), str(failure), record)
