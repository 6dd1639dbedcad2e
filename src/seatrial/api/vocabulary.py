"""Everything a spec may speak of, from our own packages and from installed plug-ins."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..core.vocabulary import Vocabulary, from_entry_points


@cache
def vocabulary() -> Vocabulary:
    """The registry; importing it imports descriptors only, no client library."""
    from ..checkers.metrics import LOAD_EXTRAS, LOAD_METRICS, METRICS, TAG_METRICS
    from ..credentials import KINDS as CREDENTIALS
    from ..embedded import KINDS as EMBEDDED
    from ..faults import FAULTS
    from ..platforms import KINDS as PROCESSES
    from ..probes import VERBS
    from ..workloads import MODELS

    return Vocabulary(
        verbs=_named(_values(VERBS), "seatrial.verbs"),
        faults=_named(_values(FAULTS), "seatrial.faults"),
        kinds=_named([*_values(PROCESSES), *_values(EMBEDDED)], "seatrial.kinds"),
        models=_named(_values(MODELS), "seatrial.models"),
        workload_metrics=METRICS,
        load_metrics=LOAD_METRICS,
        tag_metrics=TAG_METRICS,
        load_extras=LOAD_EXTRAS,
        credentials=_named(_values(CREDENTIALS), "seatrial.credentials"),
        compose="seatrial.platforms.compose.reading:read",
    )


def _values(items: Any) -> list[Any]:
    return list(items.values()) if hasattr(items, "values") else list(items)


def _named(own: Iterable[Any], group: str) -> dict[str, Any]:
    """Ours first: a plug-in can add a name, never take one."""
    found = {item.name: item for item in from_entry_points(group)}
    return found | {item.name: item for item in own}
