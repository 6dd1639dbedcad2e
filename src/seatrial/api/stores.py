"""Two stores held against each other from the command line: live figures, the counts, and the first rows that differ."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..core.errors import UsageError
from ..core.quantities import Dimension, QuantityError, format_duration, parse_quantity
from ..core.redaction import Redactor
from ..core.stores import read_store
from ..core.verdicts import Verdict, outcome
from ..reports.words import mark, style

if TYPE_CHECKING:
    from rich.console import Console

    from ..compare.results import Comparison
    from ..compare.running import Task

_PLAIN: Mapping[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
_LOOK_S = 0.25
_WIDEST = 40  # characters of a value in the table
_ROW = 120  # and of a whole row


@dataclass(frozen=True, kw_only=True)
class DataComparison:
    """What was typed."""

    stores: tuple[str, str]
    where: tuple[str | None, str | None] = (None, None)
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    references: bool = False
    nfc: bool = False
    within: str = "0s"
    show: int = 20
    output: Path | None = None


def compare_data(given: DataComparison, console: Console, *, as_json: bool = False) -> int:
    """Run it; exit status 0 when it holds, 1 when it does not, 2 when it cannot be told. Raises UsageError."""
    redactor = Redactor(_passwords(given.stores))
    try:
        return _compare(given, console, redactor, as_json=as_json)
    except UsageError as error:
        problems = (replace(p, message=redactor.text(p.message), hint=redactor.text(p.hint)) for p in error.problems)
        raise UsageError(*problems) from None


def _compare(given: DataComparison, console: Console, redactor: Redactor, *, as_json: bool) -> int:
    try:
        from ..compare.output import Output
        from ..compare.results import SourceError
        from ..compare.stating import as_json as all_of
    except ImportError as error:
        raise UsageError.simple(f"{error.name} is not installed", "pip install 'seatrial[compare]'") from None
    task = _task(given)
    output = Output(given.output) if given.output is not None else None
    try:
        found = _run(task, output, console, quiet=as_json)
    except SourceError as error:
        message = redactor.text(error.message)
        if as_json:
            console.print_json(json.dumps({"holds": None, "error": error.word, "reason": message}))
        else:
            word = Verdict.INCONCLUSIVE.value
            console.print(f"{mark(word)} it cannot be told: {message}", style=style(word), **_PLAIN)
        return outcome(Verdict.INCONCLUSIVE).exit_status
    finally:
        if output is not None:
            output.close()
    if as_json:
        console.print_json(json.dumps(all_of(found), ensure_ascii=False))
    else:
        _show(found, console, given.output)
    return outcome(_verdict(found)).exit_status


def _verdict(found: Comparison) -> Verdict:
    return Verdict.PASS if found.holds else Verdict.FAIL


def _passwords(stores: Sequence[str]) -> Iterator[str]:
    for text in stores:
        try:
            password = urlsplit(text).password
        except ValueError:
            continue
        if password:
            yield unquote(password)


def _task(given: DataComparison) -> Task:
    from ..compare.running import Task
    from ..compare.stating import options_of

    try:
        within = parse_quantity(given.within, Dimension.DURATION)
    except QuantityError as error:
        raise UsageError.simple(f"--within: {error}") from None
    first, second = (read_store(text, where or "") for text, where in zip(given.stores, given.where, strict=True))
    options = options_of(
        {
            "key": given.key,
            "columns": given.columns,
            "ignore": given.ignore,
            "map": given.map,
            "tolerances": given.tolerances,
            "expected": {kind: _listed(text) for kind, text in given.expected.items()},
            "references": given.references,
            "unicode": "nfc" if given.nfc else "as-is",
            "show": given.show,
        }
    )
    return Task(stores=(first, second), options=options, within_ns=int(within.value))


def _listed(text: str) -> object:
    """A list of keys is written as JSON; anything else is a word or a number."""
    if not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError.simple(f"--expected {text!r} is no list", "for example --expected 'missing=[1, 2]'") from None


def _run(task: Task, output: Any, console: Console, *, quiet: bool) -> Comparison:
    """In a thread of its own: Ctrl-C ends it at once, and what it asked of servers."""
    from ..compare.running import run
    from ..compare.tables import Stop

    stop, read = Stop(), [0, 0]

    def progress(side: int, rows: int) -> None:
        read[side] += rows

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(run, task, stop, progress, output.fresh if output is not None else None)
        try:
            if quiet or not console.is_terminal:
                return working.result()
            return _watched(working, read, console)
        except BaseException:
            stop.set()
            raise


def _watched(working: Future[Comparison], read: Sequence[int], console: Console) -> Comparison:
    """Where it stands: one line that is drawn anew."""
    began = time.monotonic()
    with console.status("connecting") as status:
        while wait([working], _LOOK_S).not_done:
            spent = time.monotonic() - began
            rows = sum(read)
            figures = f"{rows:,} rows read, {rows / spent:,.0f}/s" if rows else "the servers hash their rows"
            status.update(f"{format_duration(spent * 1e9, 2)}  {figures}")
    return working.result()


def _show(found: Comparison, console: Console, output: Path | None) -> None:
    from ..compare.stating import lines

    for name, side in (("A", found.a), ("B", found.b)):
        taken = f", as of {side.taken}" if side.taken else ""
        console.print(f"{name}  {side.label}: {side.rows:,} rows{taken}", **_PLAIN)
    word = _verdict(found).value
    equal = f"{found.equal:,} {'refer to a row of B' if found.references else 'rows are equal'}"
    said = found.said if found.differing else "no orphans" if found.references else "no difference"
    if found.as_expected:
        said = f"as expected: {said}"
    console.print(f"{mark(word)} {said}; {equal}", style=style(word), **_PLAIN)
    if found.unexpected:
        console.print(f"  {found.unexpected}", style=style(word), **_PLAIN)
    for column in found.by_column:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in column.kinds.items())
        far = f"; at most {column.farthest}" if column.farthest else ""
        console.print(f"  {column.column}: {kinds}{far}", **_PLAIN)
    for line in lines(found):
        console.print(f"  {line}", style="dim", **_PLAIN)
    if found.first:
        _rows(found, console)
    again = f", attempt {found.attempts}" if found.attempts > 1 else ""
    console.print(f"in {format_duration(found.took_ns, 2)}{again}; {found.how}", style="dim", **_PLAIN)
    if output is not None and found.differing:
        console.print(f"all {found.differing:,} differing rows: {output}", style="dim", **_PLAIN)


def _rows(found: Comparison, console: Console) -> None:
    """The first rows that differ: a line for each value, or the whole row."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", ", ".join(found.keys), "column", "A", "B", "by"):
        table.add_column(name, overflow="fold")
    for row in found.first:
        key = ", ".join("NULL" if v is None else v for v in row.key.values())
        if row.cells:
            for number, cell in enumerate(row.cells):
                lead = (row.kind, key) if number == 0 else ("", "")
                cells = (*lead, cell.column, _cut(cell.a), _cut(cell.b), cell.by or cell.kind)
                table.add_row(*map(Text, cells))
            continue
        whole = row.a or row.b
        text = ", ".join(f"{n}={_cut(v)}" for n, v in (whole or {}).items() if n not in row.key)
        copies = f"{row.copies:,} rows" if row.copies > 1 else ""
        shown = _cut(text or copies, _ROW)
        table.add_row(
            *map(Text, (row.kind, key, "", shown if row.b is None else "", shown if row.b is not None else "", ""))
        )
    console.print(table)
    if found.differing > len(found.first):
        console.print(f"... the first {len(found.first)} of {found.differing:,}", style="dim", **_PLAIN)


def _cut(value: str | None, longest: int = _WIDEST) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= longest else f"{value[: longest - 1]}…"
