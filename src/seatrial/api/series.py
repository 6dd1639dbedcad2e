"""Curves of all workloads of a trial, from their records."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..reports.model import TrialModel


def workload_series(model: TrialModel, directory: Path) -> dict[str, Any]:
    """Each run of a workload, by its label, to curves; one whose records cannot be read has none."""
    if not model.runs:
        return {}
    from ..arrivals.records import read
    from ..arrivals.samples import read as read_samples
    from ..checkers.loads import LoadSamples, load_series, load_shapes
    from ..checkers.series import series

    found = {}
    for view in model.runs:
        label = model.label(view)
        try:
            if view.kind == "load":
                start, rows = read_samples(directory / view.file)
                load = LoadSamples(start_ns=start, rows=rows, tags=())
                curves = load_series(load, model.began_ns, model.last_ns)
                users = users_series(view.users, curves, (start - model.began_ns) / 1e9)
                found[label] = {**curves, **users, "load": load_shapes(load, model.began_ns)}
                continue
            found[label] = series(read(directory / view.file), model.began_ns, model.last_ns)
        except (OSError, ValueError):
            continue
    return found


def users_series(described: Mapping[str, Any], curves: Mapping[str, Any], began_s: float) -> dict[str, Any]:
    """`users` asked for at the curves' times, while the load ran; nothing where their number did not change."""
    if not described:
        return {}
    from ..arrivals.crowds import changes

    asked = changes(described)
    moments = [began_s + at / 1e9 for at, _ in asked]
    ran = [t for t, offered in zip(curves["t"], curves["offered"], strict=True) if offered is not None]
    last = max(ran, default=began_s)
    return {
        "users": [
            asked[bisect_right(moments, t) - 1][1] if began_s <= t <= last else None  # the first is at the beginning
            for t in curves["t"]
        ]
    }
