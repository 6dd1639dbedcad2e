"""Workloads: clients outside that run throughout and record each operation. `MODELS` say what the operations mean."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.quantities import Dimension
from ..core.shapes import NUMBER, Field
from ..core.vocabulary import Model

_N = Dimension.NUMBER
MODELS: Mapping[str, Model] = {
    "set": Model(
        name="set",
        doc="Each operation puts its key into the store; read back, every acknowledged key is there once.",
        needs=("read-back",),
        metrics={
            "lost": (_N, "acknowledged, and not there afterwards"),
            "phantom": (_N, "there, and never asked for"),
            "doubled": (_N, "there more than once"),
            "recovered": (_N, "unknown to the client, and there"),
        },
    ),
    "counter": Model(
        name="counter",
        doc="Each operation takes an amount away; the final value is the initial one less what was acknowledged.",
        needs=("initial", "read-back"),
        metrics={"drift": (_N, "how far the final value is from what the acknowledged and unknown operations allow")},
        arguments={"amount": Field(shape=NUMBER, default=1, doc="What an operation takes away (negative: adds).")},
    ),
}
