"""Curves of all workloads of a trial, from their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..reports.model import TrialModel


def workload_series(model: TrialModel, directory: Path) -> dict[str, Any]:
    """Workload to curves; one whose records cannot be read has none."""
    if not model.workloads:
        return {}
    from ..arrivals.records import read
    from ..arrivals.samples import read as read_samples
    from ..checkers.loads import LoadSamples, load_series, load_shapes
    from ..checkers.series import series

    found = {}
    for view in model.workloads.values():
        try:
            if view.kind == "load":
                start, rows = read_samples(directory / view.file)
                load = LoadSamples(start_ns=start, rows=rows, tags=())
                curves = load_series(load, model.began_ns, model.last_ns)
                found[view.name] = {**curves, "load": load_shapes(load, model.began_ns)}
                continue
            found[view.name] = series(read(directory / view.file), model.began_ns, model.last_ns)
        except (OSError, ValueError):
            continue
    return found
