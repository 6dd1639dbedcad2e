"""Each kind of threshold over a load: a case that holds, one that does not, and one that cannot be told for lack of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.api.vocabulary import vocabulary
from seatrial.arrivals import samples
from seatrial.arrivals.histogram import bucket
from seatrial.arrivals.samples import Rows, row, rows_of
from seatrial.checkers.loads import LoadSamples, lately_figures, load_figures, load_series
from seatrial.core.expressions import Missing, Scope, compile_expression
from seatrial.core.workloads import FaultSpan, Window
from seatrial.spec.metrics import load_metrics_type

MS = 1_000_000
S = 1_000 * MS
START = 5 * S
TIMEOUT = 3


def answers(slots: Sequence[int], ms: Sequence[float], tag: int = 0) -> Rows:
    """Requests that were due in slots, and answered after so many ms."""
    at, buckets = np.array(slots), bucket((np.array(ms) * MS).astype(np.int64))
    one, tags = np.ones(len(at), np.int64), np.full(len(at), tag)
    done = at + (np.array(ms) // 100).astype(np.int64)
    return np.concatenate([
        rows_of(samples.RESPONSE, at, buckets, one, tags),
        rows_of(samples.OK, done, np.zeros_like(at), one, tags),
        rows_of(samples.DUE, at, np.zeros_like(at), one, np.zeros_like(at)),
    ])  # fmt: skip


def failures(slots: Sequence[int]) -> Rows:
    """Requests that were due in slots, and timed out."""
    failed = [row(samples.FAILED, s, 1, code=TIMEOUT) for s in slots]
    return np.concatenate([*failed, *(row(samples.DUE, s, 1) for s in slots)])


def steady(seconds: int = 30, ms: float = 10.0, a_slot: int = 10) -> Rows:
    slots = np.repeat(np.arange(seconds * 10), a_slot)
    return answers(slots.tolist(), [ms] * len(slots))


def load(*rows: Rows, tags: Sequence[str] = ("", "home"), **asked: object) -> LoadSamples:
    found = np.concatenate(rows) if rows else np.empty(0, samples.ROW)
    return LoadSamples(start_ns=START, rows=found, tags=tags, **{"rate": 100.0, **asked})


def fault(begin_s: float, end_s: float) -> FaultSpan:
    at, healed = START + int(begin_s * S), START + int(end_s * S)
    return FaultSpan(id="f", scenario="s", began_ns=at, witnessed_ns=at, healed_ns=healed, lasting=True)


def truth(of: LoadSamples, condition: str, faults: Sequence[FaultSpan] = ()) -> bool | None:
    scope = Scope(names=load_metrics_type(vocabulary(), ("home",)).fields)
    metrics, _ = load_figures(of, Window(from_ns=0, to_ns=10**15), faults)
    return compile_expression(condition, scope).evaluate(metrics).truth


SLOW = answers([100] * 200, [900.0] * 200)
THRESHOLDS = [
    ("p95 < 50ms", load(steady()), load(steady(ms=80))),
    ("p99 < 50ms", load(steady()), load(steady(), SLOW)),
    ("max <= 1s", load(steady()), load(steady(), answers([5], [1500.0]))),
    ("errors < 1%", load(steady()), load(steady(), failures(range(200)))),
    ("served >= 99%", load(steady()), load(steady(), failures(range(200)))),
    ("rate > 90/s", load(steady()), load(steady(a_slot=5))),
    ("offered > 90/s", load(steady()), load(steady(a_slot=5))),
    ("ok >= 3000", load(steady()), load(steady(seconds=20))),
    ("failed == 0", load(steady()), load(steady(), failures([4]))),
    ("worst.p95 < 50ms", load(steady()), load(steady(), SLOW)),
    ("worst.errors < 5%", load(steady()), load(steady(), failures([150] * 300))),
    ("worst.rate > 90/s", load(steady()), load(steady(15), answers([299], [1.0]))),
    ("tag.home.p95 < 50ms", load(answers([1] * 50, [5.0] * 50, tag=1)), load(answers([1] * 50, [90.0] * 50, tag=1))),
    ("before.p95 < 50ms", load(steady()), load(steady(), answers([20] * 900, [900.0] * 900))),
    ("during.errors < 5%", load(steady()), load(steady(), failures([120] * 300))),
    ("after.p95 < 50ms", load(steady()), load(steady(), answers([280] * 900, [900.0] * 900))),
]


@pytest.mark.parametrize(("condition", "holds", "does_not"), THRESHOLDS, ids=[t[0] for t in THRESHOLDS])
def test_a_threshold_holds_fails_and_is_unknown_without_samples(
    condition: str, holds: LoadSamples, does_not: LoadSamples
) -> None:
    at = [fault(10, 20)]
    assert truth(holds, condition, at) is True
    assert truth(does_not, condition, at) is False
    assert truth(load(), condition, at) is None


def test_a_share_that_few_requests_cannot_show_is_unknown() -> None:
    assert truth(load(answers([1] * 100, [5.0] * 100)), "errors < 1%") is None


@pytest.mark.parametrize(
    "condition", ["p95 < 50ms", "errors < 1%", "worst.p95 < 50ms", "rate > 1/s", "outage.longest < 1h"]
)
@pytest.mark.parametrize(
    ("doubt", "asked"),
    [
        (row(samples.LATE, 5, 200), {}),
        (np.concatenate([row(samples.CPU, s, S) for s in range(0, 300, 10)]), {}),
        (row(samples.IN_FLIGHT, 5, 1), {"users": 10, "reached": 7, "rate": 0.0}),
    ],
    ids=["late", "saturated", "too few users"],
)
def test_what_a_generator_in_trouble_saw_is_unknown(condition: str, doubt: Rows, asked: dict[str, object]) -> None:
    assert truth(load(steady(), doubt, **asked), condition) is None
    assert truth(load(steady(), doubt, **asked), "ok == 3000") is True


def test_the_warm_up_is_not_judged() -> None:
    slow_start = answers([5] * 500, [900.0] * 500)
    assert truth(load(steady(), slow_start), "p95 < 50ms") is False
    assert truth(load(steady(), slow_start, warm_up_ns=2 * S), "p95 < 50ms") is True


def test_nothing_before_or_after_a_fault_that_never_was() -> None:
    metrics, _ = load_figures(load(steady()), Window(from_ns=0, to_ns=10**15), ())
    assert isinstance(metrics["during"]["p95"], Missing)


def gap(number: int, begin_s: float, end_s: float) -> Rows:
    slot = int(begin_s * 10)
    return np.concatenate([
        row(samples.GAP_FROM, slot, int(begin_s * S), code=number), row(samples.GAP_TO, slot, int(end_s * S), code=number),
    ])  # fmt: skip


def test_an_outage_is_an_interval_around_the_longest_silence() -> None:
    found = load(steady(), gap(1, 3, 3.2), gap(2, 10, 11), row(samples.LAG_MAX, 100, 4 * MS))
    metrics, _ = load_figures(found, Window(from_ns=0, to_ns=10**15), ())
    longest = metrics["outage"]["longest"]
    assert (longest.low, longest.point, longest.high) == (S - 14 * MS, S, S + 14 * MS)


def test_one_generator_that_hears_nothing_is_no_outage_of_two() -> None:
    alone = load(steady(), gap(1, 10, 12), workers=2)
    both = load(steady(), gap(1, 10, 12), gap(1, 11, 13), workers=2)
    assert truth(alone, "outage.longest < 500ms") is True
    assert truth(both, "outage.longest < 500ms") is False
    assert truth(both, "outage.longest < 1100ms") is True


def test_curves_keep_gaps_and_count_every_request() -> None:
    found = load(steady(3), answers([60] * 10, [20.0] * 10), failures([61, 61]))
    curves = load_series(found, START, START + 7 * S, points=70)
    assert sum(v for v in curves["ok"] if v) == pytest.approx(310 / 0.1)
    assert sum(v for v in curves["bad"] if v) == pytest.approx(2 / 0.1)
    assert curves["p95"][45] is None
    assert curves["p95"][60] == pytest.approx(20, rel=0.001)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 299), st.floats(0.01, 5000)), min_size=1, max_size=200))
def test_percentiles_are_within_a_thousandth_of_the_requests_own(requests: list[tuple[int, float]]) -> None:
    slots, ms = [s for s, _ in requests], [m for _, m in requests]
    metrics, _ = load_figures(load(answers(slots, ms)), Window(from_ns=0, to_ns=10**15), ())
    exact = np.percentile((np.array(ms) * MS).astype(np.int64), [50, 95, 99, 100], method="inverted_cdf")
    for name, value in zip(("p50", "p95", "p99", "max"), exact, strict=True):
        assert metrics[name].value == pytest.approx(value, rel=0.001)


def lately(*rows: Rows, span_s: float = 5, waiting: bool = True, **asked: object) -> dict[str, object]:
    return lately_figures(load(*rows, **asked), int(span_s * S), waiting=waiting)


def test_a_server_that_stops_answering_shows_before_its_time_outs() -> None:
    due = np.concatenate([row(samples.DUE, n, 10) for n in range(50)])
    found = lately(due)
    assert (str(found["rate"]), str(found["offered"]), str(found["served"])) == ("0/s", "100/s", "0%")
    assert isinstance(found["p95"], Missing)
    assert isinstance(found["errors"], Missing)


def test_where_nothing_was_due_nothing_is_known_lately() -> None:
    found = lately(waiting=False)
    assert all(isinstance(found[n], Missing) for n in ("rate", "offered", "served", "errors", "p95"))
    assert str(lately(waiting=True)["rate"]) == "0/s"  # users wait for their answers


def test_a_generator_that_was_late_says_nothing_of_its_last_seconds() -> None:
    found = lately(steady(5), row(samples.LATE, 3, 100))
    assert isinstance(found["rate"], Missing)
    assert isinstance(found["served"], Missing)


def test_late_answers_count_in_the_seconds_in_which_they_came() -> None:
    late = answers([0] * 100, [4000.0] * 100)
    found = lately(late[late["kind"] != samples.DUE], np.concatenate([row(samples.DUE, n, 2) for n in range(50)]))
    assert str(found["served"]) == "100%"
    assert str(found["p95"]) == "4s"


def test_a_part_that_is_missing_makes_counts_the_least() -> None:
    lost = load(steady(), failures([5, 6]), doubt="1 of 4 machines was lost")
    assert truth(lost, "p95 < 1h") is None
    assert truth(lost, "failed == 0") is False  # two failed, whatever else did
    assert truth(load(steady(), doubt="1 of 4 machines was lost"), "failed == 0") is None
    assert truth(lost, "ok >= 3000") is True
    assert truth(lost, "ok == 3000") is None


def gaps(*spans: tuple[float, float]) -> Rows:
    """What each generator saw as silent, ms since the start."""
    rows = []
    for number, (begin, end) in enumerate(spans):
        rows += [row(samples.GAP_FROM, 0, int(begin * MS), code=number)]
        rows += [row(samples.GAP_TO, 0, int(end * MS), code=number)]
    return np.concatenate(rows)


def test_clocks_of_machines_widen_an_outage() -> None:
    rows = (steady(), gaps((1000, 1500), (1010, 1500)))
    alone = load(*rows, workers=2)
    apart = load(*rows, workers=2, machines=2, clock_ns=20 * MS)
    assert truth(alone, "outage.longest < 505ms") is True
    assert truth(apart, "outage.longest < 505ms") is None
    assert truth(apart, "outage.longest < 545ms") is True
    assert truth(apart, "outage.longest > 435ms") is True
    assert truth(load(steady(), workers=2, clock_ns=20 * MS), "outage.longest < 130ms") is None
    assert truth(load(steady(), workers=2, clock_ns=20 * MS), "outage.longest < 145ms") is True


def test_clocks_that_are_not_known_to_a_slot_leave_what_rests_on_when_unknown() -> None:
    apart = load(steady(), machines=2, clock_ns=60 * MS)
    assert truth(apart, "p95 < 50ms") is True
    for condition in ("outage.longest < 1h", "worst.p95 < 1h", "before.p95 < 1h"):
        assert truth(apart, condition) is None
    metrics, detail = load_figures(apart, Window(from_ns=0, to_ns=10**15), ())
    assert "known to within 60ms only" in metrics["outage"]["longest"].reason
    assert (detail["machines"], detail["clock_ns"]) == (2, 60 * MS)


def test_a_load_that_was_over_before_shows_nothing() -> None:
    over = load(steady(5))
    late = Window(from_ns=START + 60 * S, to_ns=START + 90 * S)
    metrics, _ = load_figures(over, late, [])
    for name in ("due", "ok", "failed", "bytes", "errors", "p95"):
        assert isinstance(metrics[name], Missing), name
    assert isinstance(metrics["outage"]["longest"], Missing)


def test_a_load_that_ended_before_the_fault_says_nothing_of_an_outage() -> None:
    over = load(steady(5))
    assert truth(over, "outage.longest < 1s") is True
    assert truth(over, "outage.longest < 1s", [fault(10, 12)]) is None
    assert truth(over, "failed == 0", [fault(10, 12)]) is True


def test_a_silence_that_goes_on_when_the_load_ends_has_no_end() -> None:
    silent = load(steady(5), failures(range(50, 100)), gaps((4990, 10_000)))
    assert truth(silent, "outage.longest < 6s") is None
    assert truth(silent, "outage.longest > 4s") is True


def test_the_rate_of_a_tag_lately_is_that_of_these_seconds() -> None:
    home = answers([n for n in range(50) for _ in range(100)], [10.0] * 5000, tag=1)
    found = lately(home)
    assert found["tag"]["home"]["rate"].value == pytest.approx(1000, rel=0.01)  # type: ignore[index]
