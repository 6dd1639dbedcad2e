"""A comparison from beginning to end: sources opened, compared (again and again where there is time), closed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.quantities import NS_PER_S
from ..core.stores import Store
from .comparing import Both, at_once, compare, prepare
from .kinds import Kind
from .layout import Layout, Options
from .opening import open_source
from .references import check_references
from .results import Comparison, SourceError
from .tables import Progress, Source, Stop
from .tally import Sink

_PAUSE_S = 0.5
_HOPELESS = ("no-client", "type", "statement", "credentials", "not-exercised")  # waiting changes nothing


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to compare, and how long to wait for it to become equal (0: one look)."""

    stores: tuple[Store, Store]
    options: Options
    within_ns: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path()


def nobody(_side: int, _rows: int) -> None:
    """Nobody watches."""


def run(
    task: Task, stop: Stop, progress: Progress = nobody, sinks: Callable[[Layout], Sink] | None = None
) -> Comparison:
    """The comparison, each attempt of snapshots of its own. `sinks` makes one for each attempt that looks into differences.

    While there is time and sums tell, the sums of all rows alone are looked at; the last attempt looks into them. A store that is down
    may come back meanwhile. Raises UsageError, SourceError.
    """
    began = time.monotonic_ns()
    deadline = began + task.within_ns
    attempts = 0
    while True:
        attempts += 1
        late = time.monotonic_ns() + round(_PAUSE_S * NS_PER_S) >= deadline
        try:
            with opened(task, stop, progress) as both:
                found = _attempt(task, both, stop, sinks, last=late)
        except SourceError as error:
            if late or stop.is_set or error.word in _HOPELESS:
                raise
            found = None
        if found is not None and (found.holds or late):
            return replace(found, attempts=attempts, took_ns=time.monotonic_ns() - began)
        if stop.wait(_PAUSE_S):
            stop.check()


def _attempt(
    task: Task, both: Both, stop: Stop, sinks: Callable[[Layout], Sink] | None, *, last: bool
) -> Comparison | None:
    """None: not equal yet, and there is time to wait for it."""
    options = task.options
    if options.references:
        return check_references(both, options, stop, sinks(both.layout) if sinks else None)
    roots = None if last or not _telling(both, options) else both.roots()
    if roots is not None and roots[0].sums != roots[1].sums:
        return None
    return compare(both, options, stop, sinks(both.layout) if sinks else None, roots)


def _telling(both: Both, options: Options) -> bool:
    """Whether sums that differ are of rows that do: not within a tolerance, nor of JSON, which a server and we may write differently."""
    json = any(c.kind is Kind.JSON for c in both.layout.columns) and not both.layout.native
    return not (options.expected or options.tolerances or json)


@contextlib.contextmanager
def opened(task: Task, stop: Stop, progress: Progress = nobody) -> Iterator[Both]:
    """Both tables, ready; closed afterwards."""
    sources: list[Source] = []
    lock = threading.Lock()

    def open_(store: Store) -> Source:
        source = open_source(store, stop, task.headers, task.directory)
        with lock:
            sources.append(source)
        return source

    try:
        a, b = at_once(lambda: open_(task.stores[0]), lambda: open_(task.stores[1]))
        yield prepare(a, b, task.options, stop, progress)
    finally:
        for source in sources:
            source.close()


__all__: Sequence[str] = ("Task", "nobody", "opened", "run")
