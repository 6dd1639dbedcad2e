"""Records what a generator did: lists on the hot path, folded into histograms and samples each 100 ms."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrivals import samples
from ..arrivals.histogram import BUCKETS, Histogram, bucket
from ..arrivals.samples import SLOT_NS, SampleWriter, row, rows_of

Times = NDArray[np.int64]
_GAP_LEAST_NS = 10_000_000
_LATE_NS = 100_000_000
_SECOND = 1_000_000_000


class Recorder:
    """One generator's figures. `due_at`, `sent_at`, `done_at` of each acknowledged request are appended to the public lists, in the
    order of completion, and its tag where there is more than one; nothing else is done for a request. `prompt`: what is due is sent
    at once, and `due_at` is not used. `lags`: of each arrival, in the order of the schedule. `further`: when the later requests of
    scripts were due, where arrivals are counted.
    """

    def __init__(
        self,
        path: Path,
        start_ns: int,
        *,
        warm_up_ns: int = 0,
        pace_ns: float = 0.0,
        tagged: bool = False,
        cpu_ns: Callable[[], int] | None = None,
    ) -> None:
        self.due_at: list[int] = []
        self.sent_at: list[int] = []
        self.done_at: list[int] = []
        self.tags: list[int] = []
        self.lags: list[int] = []
        self.further: list[int] = []
        self.prompt = False
        self.size = 0  # bytes received since the last fold
        self.ok = self.failed = self.due = 0
        self.lag_max = 0
        self.response: dict[int, Histogram] = {}
        self.service: dict[int, Histogram] = {}
        self.lag = Histogram()
        self._errors: Counter[tuple[int, int, int]] = Counter()
        self._start = start_ns
        self._warm = start_ns + warm_up_ns
        self.tagged = tagged
        self._late = max(_LATE_NS, 5 * pace_ns)
        self._gap_least = max(_GAP_LEAST_NS, 5 * pace_ns)
        self._gaps = 0
        self._last_done = self._last_failed = start_ns
        self._in_flight_slot = -1
        self._cpu_ns = cpu_ns or _cpu_ns  # of whoever sends
        self._cpu_at, self._cpu = start_ns, self._cpu_ns()
        self.cpu_share = 0.0  # of the last second
        self._writer = SampleWriter(path, start_ns)
        self.path = path

    def expected(self, due: Times) -> None:
        """These arrivals were due (ns), the next ones in the order of the schedule; `lags` holds theirs."""
        if not len(due):
            return
        slots = self._due_rows(due)
        lags = _array(self.lags[: len(due)])
        del self.lags[: len(due)]
        self.lag.add(lags[due >= self._warm])
        self.lag_max = max(self.lag_max, int(lags.max()))
        found, first = np.unique(slots, return_index=True)  # due times ascend, so slots do
        self._write(samples.LAG_MAX, found, zeros(found), np.maximum.reduceat(lags, first), zeros(found))
        found, counts = np.unique(slots[lags > self._late], return_counts=True)
        self._write(samples.LATE, found, zeros(found), counts, zeros(found))

    def _due_rows(self, due: Times) -> Times:
        self.due += len(due)
        slots = self._slots(due)
        found, counts = np.unique(slots, return_counts=True)
        self._write(samples.DUE, found, zeros(found), counts, zeros(found))
        return slots

    def _slots(self, at: Times) -> Times:
        found: Times = np.maximum(0, at - self._start) // SLOT_NS
        return found

    def error(self, code: int, intended: int, tag: int = 0) -> None:
        """A request failed."""
        self.failed += 1
        self._last_failed = max(self._last_failed, intended)
        self._errors[max(0, intended - self._start) // SLOT_NS, code, tag] += 1

    def fold(self, now: int, in_flight: int) -> None:
        """Turn the lists into rows and counts."""
        slot = max(0, now - self._start) // SLOT_NS
        if self.done_at:
            self._answers()
        if self.further:
            self._due_rows(_array(self.further))
            self.further.clear()
        for (at, code, tag), count in self._errors.items():
            self._writer.write(row(samples.FAILED, at, count, code=code, tag=tag))
        self._errors.clear()
        if self.size:
            self._writer.write(row(samples.BYTES, slot, self.size))
            self.size = 0
        if slot > self._in_flight_slot:  # once a slot, so that the rows of several generators add up
            self._writer.write(row(samples.IN_FLIGHT, slot, in_flight))
            self._in_flight_slot = slot
        if now - self._cpu_at >= _SECOND:
            cpu = self._cpu_ns()
            self.cpu_share = (cpu - self._cpu) / (now - self._cpu_at)
            self._writer.write(row(samples.CPU, slot, int(self.cpu_share * _SECOND)))
            self._cpu_at, self._cpu = now, cpu

    def _answers(self) -> None:
        sent, done = _array(self.sent_at), _array(self.done_at)
        due = sent if self.prompt else _array(self.due_at)
        tags = _array(self.tags) if self.tagged else zeros(due)
        for each in (self.due_at, self.sent_at, self.done_at, self.tags):
            each.clear()
        self.ok += len(done)
        self._silences(done)
        slots = self._slots(due)
        buckets = bucket(done - due)
        served = buckets if self.prompt else bucket(done - sent)
        width = int(tags.max()) + 1 if self.tagged else 1
        keys, counts = _counted((slots * width + tags) * BUCKETS + buckets)
        where = keys // BUCKETS
        self._write(samples.RESPONSE, where // width, keys % BUCKETS, counts, where % width)
        keys, counts = _counted(self._slots(done) * width + tags)
        self._write(samples.OK, keys // width, zeros(keys), counts, keys % width)
        warm = due >= self._warm
        for tag in np.unique(tags).tolist() if self.tagged else (0,):
            mine = warm & (tags == tag) if self.tagged else warm
            self.response.setdefault(tag, Histogram()).put(buckets[mine])
            self.service.setdefault(tag, Histogram()).put(served[mine])

    def _silences(self, done: Times) -> None:
        done = np.maximum.accumulate(np.maximum(done, self._last_done))  # other tools tell them a little out of order
        gaps = np.diff(done, prepend=self._last_done)
        for at in np.flatnonzero(gaps >= self._gap_least).tolist():
            self._gap(int(done[at] - gaps[at]), int(done[at]))
        self._last_done = int(done[-1])

    def _gap(self, begin: int, end: int) -> None:
        self._gaps += 1
        for kind, at in ((samples.GAP_FROM, begin), (samples.GAP_TO, end)):
            slot = max(0, begin - self._start) // SLOT_NS
            self._writer.write(row(kind, slot, at - self._start, code=self._gaps))

    def _write(self, kind: int, slots: Times, buckets: Times, counts: Times, tags: Times) -> None:
        self._writer.write(rows_of(kind, slots, buckets, counts, tags))

    def close(self, now: int) -> None:
        """Fold what is left, write what was counted over the whole run."""
        self.fold(now, 0)
        if self._last_failed > self._last_done and now - self._last_done >= self._gap_least:
            self._gap(self._last_done, now)
        for kind, found in (
            (samples.RESPONSE, self.response),
            (samples.SERVICE, self.service),
            (samples.LAG, {0: self.lag}),
        ):
            for tag, histogram in found.items():
                buckets, counts = histogram.sparse()
                whole = np.full(len(buckets), samples.WHOLE, np.int64)
                self._write(kind, whole, buckets, counts, np.full(len(buckets), tag, np.int64))
        self._writer.close()


def _array(values: list[int]) -> Times:
    return np.fromiter(values, np.int64, len(values))


def _counted(keys: Times) -> tuple[Times, Times]:
    """The different keys in ascending order, and how often each is there. Sorted only when they are few or far apart."""
    least = int(keys.min())
    if int(keys.max()) - least > 8 * len(keys):
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys - least)
    found = np.flatnonzero(counts)
    return found + least, counts[found]


def zeros(like: Times) -> Times:
    """As many zeros."""
    return np.zeros(len(like), np.int64)


def _cpu_ns() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e9)
