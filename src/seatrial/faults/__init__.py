"""Faults: what is broken on purpose. Each says how an independent witness sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.vocabulary import FaultKind
from .of_links import LINK_FAULTS
from .of_networks import NAMESAKES, NETWORK_FAULTS
from .of_resources import RESOURCE_FAULTS

FAULTS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            name="kill",
            doc="SIGKILL of the whole unit, as a crash: its restart policy acts at once, or after `hold`.",
            capability="kill",
            make="seatrial.faults.kill:Kill",
            example="{fault: kill, at: postgres/primary, hold: 30s}",
        ),
        FaultKind(
            name="stop",
            doc="An orderly stop, as an operator's: down until healed, or for `hold`.",
            capability="stop",
            make="seatrial.faults.stop:Stop",
            lasting=True,
            example="{fault: stop, at: redis *}",
        ),
        FaultKind(
            name="pause",
            doc="SIGSTOP of all its processes: it accepts connections and answers nothing, until healed.",
            capability="pause",
            make="seatrial.faults.pause:Pause",
            lasting=True,
            example="{fault: pause, at: postgres/replica}",
        ),
        FaultKind(
            name="restart",
            doc="An orderly stop, and a start at once.",
            capability="restart",
            make="seatrial.faults.restart:Restart",
            example="{fault: restart, at: web#1}",
        ),
        *(replace(kind, namesake=NAMESAKES.get(kind.name)) for kind in LINK_FAULTS),
        *NETWORK_FAULTS,
        *RESOURCE_FAULTS,
    )
}
