"""A quick look at a URL under load, without a spec: live figures, then the table, and thresholds if there are any."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.clusters import HERE, Cluster
from ..core.errors import UsageError
from ..core.events import plain
from ..core.expressions import Expression, ExpressionError, Judgement, Missing, Scope, compile_expression
from ..core.load_plans import LoadPlan, LoadRequest
from ..core.plan import ProbeCall
from ..core.quantities import Dimension, Quantity, QuantityError, format_duration, parse_quantity
from ..core.verdicts import Verdict, combine, from_truth, outcome
from ..core.workloads import Figures, RenderedRequest, Window, Workload
from ..probes.http import METHODS
from ..reports.loads import sent_from
from ..reports.words import mark, style
from ..spec.metrics import load_metrics_type
from .running import run_interruptible
from .vocabulary import vocabulary
from .workloads import Maker

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_LOOK_S = 0.5
_SHOWN = ("p50", "p90", "p95", "p99", "p999", "max")


@dataclass(frozen=True, kw_only=True)
class QuickLoad:
    """What was typed; quantities as text. Neither rate nor users: 50 requests a second."""

    url: str
    rate: str | None = None
    users: int | None = None
    think: str = "0s"
    duration: str = "10s"
    method: str = "GET"
    headers: tuple[str, ...] = ()
    body: str | None = None
    timeout: str = "5s"
    connections: int = 256
    workers: int = 1
    on: Cluster = HERE
    expect: tuple[str, ...] = ()


def quick_load(given: QuickLoad, console: Console, *, as_json: bool = False) -> int:
    """Run it; exit status 0 when every threshold holds (or there is none), 1 when one does not, 2 when it cannot be told.

    Raises UsageError for what cannot be meant.
    """
    plan, request = plan_of(given)
    conditions = [condition("--expect", text) for text in given.expect]
    with tempfile.TemporaryDirectory(prefix="seatrial-load-") as directory:
        figures = run_interruptible(_run(plan, request, Path(directory), console, Maker(given.on), quiet=as_json))
    judged = [(c, c.evaluate(figures.metrics)) for c in conditions]
    verdict = combine(from_truth(j.truth) for _, j in judged) if judged else None
    if figures.detail["invalid"]:
        verdict = combine(v for v in (verdict, Verdict.INCONCLUSIVE) if v is not None)
    if as_json:
        found = [{"expect": c.source, "verdict": from_truth(j.truth).value, "reason": j.reason} for c, j in judged]
        shown = {"metrics": _plain(figures.metrics), **plain(figures.detail), "expectations": found}
        console.print_json(json.dumps(shown))
    else:
        _show(figures, console)
        print_judged(judged, console)
    return outcome(verdict).exit_status if verdict is not None else 0


def plan_of(given: QuickLoad) -> tuple[LoadPlan, RenderedRequest]:
    """The load that was typed, and its request. Raises UsageError."""
    parts = urlsplit(given.url if "://" in given.url else f"http://{given.url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError.simple(f"{given.url} is no http or https address", "for example http://127.0.0.1:8000/items")
    method = given.method.upper()
    if method not in METHODS or method == "HEAD":
        raise UsageError.simple(
            f"a load cannot send {given.method}", f"it can send {', '.join(m for m in METHODS if m != 'HEAD')}"
        )
    if given.rate is not None and given.users is not None:
        raise UsageError.simple("--rate and --users are two models", "one of them: --rate 500/s, or --users 100")
    if given.users is not None and given.users < 1:
        raise UsageError.simple("--users begins at 1")
    rate = quantity_of("--rate", given.rate or "50/s", Dimension.RATE)
    duration = quantity_of("--for", given.duration, Dimension.DURATION)
    if rate.value <= 0 or duration.value <= 0:
        raise UsageError.simple("a load of nothing", "--rate and --for are more than 0")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    plan = LoadPlan(
        name="load",
        requests=(LoadRequest(call=ProbeCall(verb="http", what=f"{method} {path}")),),
        directory=Path.cwd(),
        arrivals={} if given.users is not None else {"constant": rate},
        users=given.users or 0,
        think_ns=int(quantity_of("--think", given.think, Dimension.DURATION).value),
        for_ns=int(duration.value),
        timeout_ns=int(quantity_of("--timeout", given.timeout, Dimension.DURATION).value) or 1,
        connections=given.connections,
        workers=given.workers,
    )
    headers = dict(_header(text) for text in given.headers)
    root = f"{parts.scheme}://{parts.netloc}"
    return plan, RenderedRequest(urls=(root,), method=method, path=path, headers=headers, body=given.body)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError.simple(f"--header {text!r} is not NAME: VALUE")
    return name.strip(), value.strip()


def quantity_of(option: str, text: str, dimension: Dimension) -> Quantity:
    """What an option says. Raises UsageError."""
    try:
        return parse_quantity(text, dimension)
    except QuantityError as error:
        raise UsageError.simple(f"{option}: {error}") from None


def condition(option: str, text: str, keys: Sequence[str] = ()) -> Expression:
    """What an option says of a load that has these keys. Raises UsageError."""
    try:
        return compile_expression(text, Scope(names=load_metrics_type(vocabulary(), (), keys).fields))
    except ExpressionError as error:
        raise UsageError.simple(f"{option} {text!r}: {error}", f"for example {option} 'p95 < 200ms'") from None


def print_judged(judged: Sequence[tuple[Expression, Judgement]], console: Console) -> None:
    """A line for each expectation."""
    for expectation, judgement in judged:
        word = from_truth(judgement.truth).value
        line = f"{mark(word)} {word}  {expectation.source}  {judgement.reason}"
        console.print(line, style=style(word), highlight=False)


async def until_ended(load: Workload, watching: Coroutine[Any, Any, None]) -> None:
    """Until a load has ended or is interrupted: then what there is counts. It is watched meanwhile, and stopped."""
    watch = asyncio.create_task(watching)
    try:
        await load.ended()
    except asyncio.CancelledError:
        pass
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await load.stop()


async def _run(
    plan: LoadPlan, request: RenderedRequest, directory: Path, console: Console, maker: Maker, *, quiet: bool
) -> Figures:
    """Until its time is over, or until it is interrupted: then what there is counts."""
    load = await maker.start_load(plan, [request], directory, _nobody)
    await until_ended(load, _watch(load, plan, console, time.monotonic_ns(), quiet=quiet))
    return load.figures(Window(from_ns=0, to_ns=time.monotonic_ns()), (), None, None)


async def _nobody(_pid: int) -> None:
    """No keeper: a generator ends by itself when the end of its orders shows that we are gone."""


async def _watch(load: Workload, plan: LoadPlan, console: Console, began: int, *, quiet: bool) -> None:
    """Where it stands: one line that is drawn anew on a terminal, nothing elsewhere."""
    if quiet or not console.is_terminal:
        return
    with console.status("starting") as status:
        while True:
            await asyncio.sleep(_LOOK_S)
            live = await asyncio.to_thread(load.live)
            spent = time.monotonic_ns() - began
            share = live.failed / max(1, live.ok + live.failed)
            p95 = format_duration(live.p95_ns) if live.p95_ns is not None else "no answer yet"
            status.update(
                f"{format_duration(spent, 2)} of {format_duration(plan.for_ns or 0)}  {live.rate:,.0f}/s  p95 {p95}  "
                f"errors {share:.2%}  {live.in_flight:,} in flight"
            )


def _show(figures: Figures, console: Console) -> None:
    metrics, detail = figures.metrics, figures.detail
    if detail["invalid"]:
        console.print(f"? invalid: {detail['invalid']}", style=style("INCONCLUSIVE"), highlight=False)
    console.print(
        f"{_text(metrics['rate'])} answered of {_text(metrics['offered'])} offered; "
        f"{_text(metrics['ok'])} ok, {_text(metrics['failed'])} failed, {_text(metrics['bytes'])} received",
        highlight=False,
    )
    console.print(_times(metrics))
    console.print(f"errors {_text(metrics['errors'])}", highlight=False)
    for kind, count in plain(detail["errors"]).items():
        console.print(f"  {kind:<12} {count:,}", highlight=False, style=style("FAIL"))
    if machines := sent_from(detail):
        console.print(f"sent {machines}", style="dim", highlight=False)
    silence, lag = _inner(metrics, "outage", "longest"), _inner(metrics, "lag", "max")
    for word, value in (("longest silence", silence), ("generator's lag at most", lag)):
        console.print(f"{word} {_text(value)}", highlight=False, style="dim")


def _times(metrics: Mapping[str, Any]) -> Table:
    """Response and service time by percentile."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
    for name in ("", *_SHOWN):
        table.add_column(name.replace("p999", "p99.9"), justify="right" if name else "left", no_wrap=True)
    service = metrics["service"]
    table.add_row("response time", *(_text(metrics[n]) for n in _SHOWN))
    table.add_row("service time", *(_text(service.get(n, "")) for n in _SHOWN), style="dim")
    return table


def _inner(metrics: Mapping[str, Any], part: str, name: str) -> object:
    inner = metrics[part]
    return inner[name] if isinstance(inner, Mapping) else inner


def _text(value: object) -> str:
    if isinstance(value, Missing):
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        n: _plain(v) if isinstance(v, Mapping) else {"missing": v.reason} if isinstance(v, Missing) else plain(v)
        for n, v in metrics.items()
    }


__all__: Sequence[str] = ("QuickLoad", "plan_of", "quick_load")
