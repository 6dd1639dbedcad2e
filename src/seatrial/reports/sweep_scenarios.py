"""The weaknesses of a sweep as scenarios, to hold a stack to what it should do instead."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.quantities import format_duration
from ..core.sweeps import Impact
from .model import TrialModel
from .sweep import Weakness, weaknesses

# A column of links, in a spec's words.
_SPELLED: Mapping[str, Mapping[str, str]] = {
    "black-hole": {"fault": "cut", "how": "black-hole"},
    "latency": {"fault": "latency", "delay": "200ms"},
    "loss": {"fault": "loss", "share": "20%"},
}


def emitted(model: TrialModel, *, stack: str, clients: Mapping[str, Mapping[str, Any]], rate: str) -> str:
    """A spec (or, without `stack`, parts to include in one): a scenario for each weakness that says what should be true instead."""
    lines = [
        "# Written by seatrial sweep: for each weakness a scenario that fails until it is mended. The bounds are yours to choose."
    ]
    if stack:
        lines += ["seatrial: 1", f"stack: {_flow(stack)}"]
    made = [c for c in clients if _is_own(c)]
    if made:
        lines += ["workloads:"]
        lines += [f"  {n}: {_flow({**clients[n], 'rate': rate, 'in-flight': 500})}" for n in made]
    lines += ["scenarios:"]
    found = weaknesses(model)
    for weakness in found:
        lines += _scenario(weakness, clients, model)
    if not found:
        there = {"services": "all", "expect": "missing == []", "id": "there"}
        lines += ["  all-is-there:", "    steps:", f"      - {_flow(there)}"]
    return "\n".join(lines) + "\n"


def _scenario(weakness: Weakness, clients: Mapping[str, Mapping[str, Any]], model: TrialModel) -> Iterator[str]:
    swept = weakness.worst
    hold = format_duration(model.sweep.hold_ns if model.sweep else 0)
    wrong = [c for c, s in swept.seen.items() if s.impact is Impact.WRONG and "http" in clients.get(c, {})]
    yield f"  {_slug(f'{swept.fault} {swept.service}')}:"
    yield from (f"    # {line}" for line in textwrap.wrap(f"{swept.impact.value}: {weakness.what}", 110))
    yield f"    title: {_flow(f'clients hardly notice a {swept.fault} of {swept.service}')}"
    yield "    deadline: 3m"
    yield f"    throughout: [{', '.join(clients)}]"
    yield "    steps:"
    for number, client in enumerate(wrong, 1):
        ask = {n: v for n, v in clients[client].items() if n in ("http", "at")}
        yield f"      - {_flow({**ask, 'expect': 'status == 200', 'save': {f'usual_{number}': 'text'}, 'id': f'usual-{number}'})}"
    lasting = {} if wrong or swept.fault in ("kill", "restart") else {"for": hold}
    fault = {**_SPELLED.get(swept.fault, {"fault": swept.fault}), "at": swept.target, **lasting, "id": "broken"}
    yield f"      - {_flow(fault)}"
    for number, client in enumerate(wrong, 1):
        ask = {n: v for n, v in clients[client].items() if n in ("http", "at")}
        same = f"status >= 500 or text == usual_{number}"
        yield f"      - {_flow({**ask, 'expect': same, 'for': hold, 'every': '50ms', 'id': f'no-other-answer-{number}'})}"
    if wrong:
        yield "      - {heal: broken}"
    if "->" not in swept.service:
        whole = {
            "process": "instances",
            "at": f"{swept.service} *",
            "expect": "ready == wanted",
            "within": "30s",
            "id": "back",
        }
        yield f"      - {_flow(whole)}"
    for other in (o for o in swept.unwell if o != swept.service):
        yield f"      - {_flow({'stack': 'health', 'at': f'{other} *', 'within': '30s', 'id': f'{other}-well'})}"
    hit = [c for c, s in swept.seen.items() if s.impact.rank >= Impact.SLOWER.rank] or list(clients)
    yield "    expect:"
    for client in hit:
        yield f"      {client}-served: {client}.recovery < 10s"
        if swept.impact is Impact.SLOWER:
            yield f"      {client}-in-time: {client}.latency.during.p95 < 500ms"
        elif swept.impact is not Impact.WRONG:
            yield f"      {client}-outage: {client}.outage.longest < 2s"


def _is_own(client: str) -> bool:
    return client.startswith(("at-", "client-"))


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text).split()).lower()


def _flow(value: object) -> str:
    """YAML in one line: JSON is some, with plain keys and words where they can be."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    text = str(value)
    return (
        text
        if text.replace("-", "").replace("/", "").replace("_", "").replace(".", "").isalnum()
        else json.dumps(text, ensure_ascii=False)
    )
