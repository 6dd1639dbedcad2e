"""What a load asks for, as one digest: two runs are of the same load where it is the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.expressions import Expression
from ..core.load_plans import LoadPlan, steps_of
from ..core.plan import Plan
from ..core.quantities import Quantity
from ..core.templates import Template

# What decides about it, who sends it and how it trusts; where files lie. `flows` and `files` are taken by what is in them.
_JUDGED = {"abort", "baseline", "window_ns", "profile", "position"}
_SENT_FROM = {"workers", "on", "verify", "cert", "key", "directory"}
_ASIDE = _JUDGED | _SENT_FROM | {"flows", "files"}


def digest_of(plan: Plan, load: LoadPlan) -> str:
    """SHA-256 of the texts of its requests, the spec's values and identities that they use, its files, and its schedule.

    Templates count as they are written: no secret's value is in it, and nothing that each trial has of its own. OSError where a
    file of its cannot be read.
    """
    kinds = load.flows.selected if load.flows is not None else ()
    asked: dict[str, Any] = {
        f.name: _text(getattr(load, f.name)) for f in dataclasses.fields(load) if f.name not in _ASIDE
    }
    if load.flows is not None:
        asked["flows"] = _text({"kinds": kinds, "cookies": load.flows.cookies})
        asked["data"] = {n: [_content(d.file), d.each_user] for n, d in load.flows.data.items()}
    asked["files"] = {name: _content(load.directory / name) for name in _files(load)}
    calls = (*(r.call for r in load.requests), *(s.call for s in steps_of(kinds) if s.call is not None))
    identities = {
        n: plan.identities[n] for n in (load.identity, *(c.identity for c in calls)) if n and n in plan.identities
    }
    asked["identities"] = _text(identities)
    used = {n for tree in (load.requests, load.tool, kinds, identities) for n in _names(tree)}
    asked["values"] = {n: _text(v) for n, v in plan.values.items() if n in used}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _files(load: LoadPlan) -> list[str]:
    tool = [load.tool.file] if load.tool is not None else []
    script = [load.script.rpartition(":")[0]] if load.script else []
    return list(dict.fromkeys((*tool, *script, *load.files)))


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(tree: object) -> Iterator[str]:
    """Root names of what stands in templates and expressions anywhere in it."""
    if isinstance(tree, Template | Expression):
        yield from tree.names
    elif isinstance(tree, Mapping):
        for pair in tree.items():
            yield from _names(pair)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _names(item)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            yield from _names(getattr(tree, field.name))


def _text(tree: object) -> Any:
    """As JSON: templates and expressions by their source, without places in the spec."""
    if isinstance(tree, Template | Expression):
        return {"source": tree.source}
    if tree is None or isinstance(tree, str | int | float):
        return tree
    if isinstance(tree, Quantity):
        return str(tree)
    if isinstance(tree, Mapping):
        return {str(_text(k)): _text(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_text(v) for v in tree]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = dataclasses.fields(tree)
        return {f.name: _text(getattr(tree, f.name)) for f in fields if f.name != "position"}
    return str(tree)
