"""The figures that expectations may name, as types: of workloads, of loads, of what services use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.expressions import Type
from ..core.quantities import Dimension
from ..core.usage import KIND_METRICS, USAGE_METRICS
from ..core.vocabulary import Vocabulary
from .reading import ServiceInfo


def usage_type(services: Mapping[str, ServiceInfo]) -> dict[str, Type]:
    """What services use, by name: `usage.web.memory.growth`."""
    own = {kind: tree_of({**USAGE_METRICS, **metrics}) for kind, metrics in KIND_METRICS.items()}
    each = tree_of(USAGE_METRICS)
    return {"usage": Type.record({n: own.get(s.kind, each) for n, s in services.items()})}


def metrics_type(vocabulary: Vocabulary, model: str | None) -> Type:
    """A workload's figures as a record of records: `recovery`, `outage.longest`, ..."""
    table = dict(vocabulary.workload_metrics)
    if model is not None and model in vocabulary.models:
        table |= vocabulary.models[model].metrics
    return tree_of(table)


def load_metrics_type(
    vocabulary: Vocabulary, tags: Sequence[str] | None, keys: Sequence[str] = (), *, tool: bool = False
) -> Type:
    """A load's figures: `p95`, `worst.errors`, `tag.home.p99`, and what those have that have one of the `keys`. `tags`: None where they
    are not known before it runs. A tool has a verdict, too: `own`.
    """
    table = dict(vocabulary.load_metrics)
    for key in keys:
        table |= vocabulary.load_extras.get(key, {})
    table |= {f"tag.{tag}.{n}": m for tag in tags or () if tag for n, m in vocabulary.tag_metrics.items()}
    fields = dict(tree_of(table).fields)
    if tags is None:
        fields["tag"] = Type.map_of(tree_of(vocabulary.tag_metrics))
    if tool:
        fields["own"] = Type.NUMBER
    return Type.record(fields)


def tree_of(table: Mapping[str, tuple[Dimension, str]]) -> Type:
    """Dotted names as records of records."""
    tree: dict[str, Any] = {}
    for name, (dimension, _) in table.items():
        *path, last = name.split(".")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = Type.quantity(dimension)
    return _record_of(tree)


def _record_of(tree: Mapping[str, Any]) -> Type:
    return Type.record({n: v if isinstance(v, Type) else _record_of(v) for n, v in tree.items()})
