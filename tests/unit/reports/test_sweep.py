"""A sweep as it is shown: the matrix, the weaknesses, the scenarios, the report's own part."""

from __future__ import annotations

import io
from pathlib import Path

import jsonschema
import pytest
import yaml
from rich.console import Console

from seatrial.api.vocabulary import vocabulary
from seatrial.core.events import CellStarted, CellSwept, Entry, Event, SweepPlanned
from seatrial.core.sweeps import Impact, Seen, Swept
from seatrial.reports.html import write_html
from seatrial.reports.machine import report
from seatrial.reports.model import TrialModel
from seatrial.reports.schema import report_schema
from seatrial.reports.sweep import counts, show, weaknesses
from seatrial.reports.sweep_live import left_ns, matrix, now
from seatrial.reports.sweep_scenarios import emitted
from seatrial.spec import compile_spec

S = 1_000_000_000
FAULTS = ("kill", "stop", "pause", "black-hole", "latency")
CLIENTS = {"at-web": {"http": "GET /items", "at": "web", "timeout": "2s"}}


def swept(
    service: str,
    fault: str,
    impact: Impact,
    target: str = "",
    unwell: dict[str, str] | None = None,
    stayed_down: str = "",
) -> Swept:
    ratio = (5e6, 60e6) if impact is Impact.SLOWER else None
    errors = (3 * S, 4 * S) if impact in (Impact.ERRORS, Impact.DOWN, Impact.STILL_DOWN) else None
    seen = Seen(impact=impact, words=f"it was {impact}", differing=12, errors_ns=errors, p50_ns=ratio, p95_ns=ratio)
    return Swept(
        service=service, fault=fault, target=target or f"{service}#1", impact=impact, words=seen.words, seen={"at-web": seen},
        witness="seen", victims=(f"{service}#1",), unwell=unwell or {}, stayed_down=(stayed_down,) if stayed_down else (),
        began_ns=10 * S, healed_ns=15 * S, ended_ns=18 * S,
    )  # fmt: skip


CELLS = [
    swept("web", "kill", Impact.ERRORS),
    swept("web", "stop", Impact.DOWN),
    swept("web", "pause", Impact.DOWN),
    swept("store-of-a-long-name", "kill", Impact.STILL_DOWN, unwell={"web": "web#1: status is 503"}),
    swept("store-of-a-long-name", "stop", Impact.STILL_DOWN, unwell={"web": "web#1: status is 503"}),
    swept("store-of-a-long-name", "pause", Impact.WRONG),
    swept("mailer", "kill", Impact.UNAFFECTED, stayed_down="mailer#1"),
    swept("mailer", "stop", Impact.UNAFFECTED),
    swept("mailer", "pause", Impact.NOT_EXERCISED),
    swept("web -> store-of-a-long-name", "black-hole", Impact.SLOWER, target="web -> store-of-a-long-name"),
]


def model_of(cells: list[Swept], *, planned: tuple[str, ...] = ()) -> TrialModel:
    ids = planned or tuple(f"{c.fault} {c.service}" for c in cells)
    events: list[Event] = [
        SweepPlanned(
            services=("web",), faults=FAULTS, cells=ids, clients={"at-web": "GET /items at web"}, hold_ns=5 * S
        ),
        *(CellSwept(swept=c) for c in cells),
    ]
    model = TrialModel()
    model.feed(Entry(seq=n, ns=n * S, event=e) for n, e in enumerate(events, 1))
    return model


def text_of(model: TrialModel, width: int, tmp_path: Path) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(model, tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_a_terminal_and_says_all(width: int, tmp_path: Path) -> None:
    text = text_of(model_of(CELLS), width, tmp_path)
    table = text.partition("10 cells")[0]
    assert all(len(line) <= width for line in table.splitlines())
    words = " ".join(text.split())
    for part in ("still down", "not well", "not back", "wrong 12", "slower 12x", "errors 4s", "unaffected"):
        assert part in words, part
    assert "nothing of this is a verdict" in text


def test_weaknesses_are_put_together_and_worst_first() -> None:
    found = weaknesses(model_of(CELLS))
    assert [w.name for w in found] == [
        "kill, stop store-of-a-long-name",
        "pause store-of-a-long-name",
        "kill mailer",  # nobody saw it, and it is gone
        "stop web",
        "pause web",
        "kill web",
        "black-hole web -> store-of-a-long-name",
    ]
    assert "restart policy" in found[2].next
    assert found[0].next.startswith("web does not find store-of-a-long-name again")


def test_what_was_not_reached_is_counted() -> None:
    model = model_of(CELLS[:1], planned=("kill web", "stop web", "pause web"))
    assert counts(model) == "3 cells: 1 errors, 2 not reached"


def test_the_time_it_may_take_yet_is_that_of_the_cells_before() -> None:
    model = model_of(CELLS[:2], planned=("kill web", "stop web", "pause web", "kill mailer"))
    assert left_ns(model, 21 * S) == 20 * S  # two in twenty seconds, two to go
    model.feed([Entry(seq=9, ns=21 * S, event=CellStarted(cell="pause web", target="web#1"))])
    assert left_ns(model, 26 * S) == 20 * S  # 12.5 s a cell by now, 5 s of them spent
    console = Console(file=io.StringIO(), width=100)
    console.print(now(model, 100))
    assert isinstance(console.file, io.StringIO)
    assert "2 of 4 cells" in console.file.getvalue()
    assert "now" in console.file.getvalue()
    assert matrix(model, 100).row_count == 2


@pytest.mark.parametrize("stack", ["stack.yaml", ""])
def test_the_scenarios_compile(tmp_path: Path, stack: str) -> None:
    services = (
        "services:\n  store-of-a-long-name: {command: serve, ports: auto}\n  mailer: {command: serve, ports: auto}\n"
        "  web: {command: serve, ports: auto, after: [store-of-a-long-name], ready: {http: GET /}}\nlinks: all\n"
    )
    (tmp_path / "stack.yaml").write_text(services)
    text = emitted(model_of(CELLS), stack=stack, clients=CLIENTS, rate="20/s")
    names = list(yaml.safe_load(text)["scenarios"])
    (tmp_path / "swept.yaml").write_text(text)
    spec = tmp_path / "swept.yaml"
    if not stack:  # parts, to include
        spec = tmp_path / "seatrial.yaml"
        spec.write_text("seatrial: 1\nstack: stack.yaml\ninclude: [swept.yaml]\n")
    plan = compile_spec(spec, vocabulary(), environment={})
    assert [s.id for s in plan.scenarios] == names
    assert names[0] == "kill-store-of-a-long-name"
    nothing = emitted(
        model_of([swept("web", "kill", Impact.UNAFFECTED)]), stack="stack.yaml", clients=CLIENTS, rate="20/s"
    )
    (tmp_path / "nothing.yaml").write_text(nothing)
    assert compile_spec(tmp_path / "nothing.yaml", vocabulary(), environment={}).scenarios


def test_the_report_shows_it_and_claims_no_verdict(tmp_path: Path) -> None:
    model = model_of(CELLS)
    write_html(model, tmp_path / "report.html", {})
    text = (tmp_path / "report.html").read_text()
    assert "SWEPT" in text.partition("</h1>")[0]
    assert text.count('<td class="h5"') == 2
    assert 'class="h4"' in text
    assert "What decided it" not in text
    for part in (
        "not restarted",
        "web does not find store-of-a-long-name again",
        'href="#c-kill-mailer"',
        'id="c-kill-mailer"',
    ):
        assert part in text, part
    told = report(model)
    assert (told["verdict"], told["summary"]) == ("SWEPT", counts(model))
    assert told["sweep"]["summary"] == counts(model)
    jsonschema.Draft202012Validator(report_schema()).validate(told)
