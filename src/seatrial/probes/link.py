"""Probe `link`: what has passed through a link between two services, as the proxy in between has counted it."""

from __future__ import annotations

from dataclasses import asdict

from ..core.errors import NotExercised, PlatformError
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, value
from ..core.quantities import Dimension, Quantity
from ..core.shapes import choice
from ..core.vocabulary import Verb

_SIZES = ("bytes_to", "bytes_from", "held")

VERB = Verb(
    name="link",
    doc="What has passed through a link since the stack was started; counted where it was passed on to the service, so that what does "
    "not change has not reached it.",
    what=choice("traffic"),
    observes={
        "connections": Type.NUMBER,
        "turned_away": Type.NUMBER,
        "reached": Type.NUMBER,
        "open": Type.NUMBER,
        "requests": Type.NUMBER,
        "kept": Type.NUMBER,
        **dict.fromkeys(_SIZES, Type.SIZE),
    },
    run="seatrial.probes.link:run",
    together=True,
    counts=("connections", "turned_away", "reached", "requests", "kept", "bytes_to", "bytes_from"),
    example="{link: traffic, at: web -> postgres}",
    asks=False,
)


async def run(request: ProbeRequest) -> Observation:
    """One look, at all instances of the link together."""
    try:
        traffic = asdict(await request.around.traffic())
    except NotExercised as error:
        return probe_error("not-exercised", str(error))
    except PlatformError as error:
        return probe_error("proxy", str(error))
    shown = {name: count for name, count in traffic.items() if count is not None}
    values = {n: Quantity(float(c), Dimension.SIZE) if n in _SIZES else c for n, c in shown.items()}
    words = f"{traffic['reached']} of {traffic['connections']} connections reached it"
    return value(values, shown, words if traffic["requests"] is None else f"{words}, {traffic['requests']} requests")
