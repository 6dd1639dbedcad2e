"""What the history is asked: the last trials, how a value went, what is flaky, what is slow, what got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.fingerprints import UNCHANGED
from .database import Database

WINDOW = 200  # trials that are looked at for what is flaky or slow
_ALONE = "part_of = ''"
_TRIAL = "trial, name, spec, began, took_ns, outcome, summary, selection, variant, tested, directory, part_of, passed, planned, waived"


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A trial of the past."""

    trial: str
    name: str
    spec: str
    began: str
    took_ns: int
    outcome: str
    summary: str
    selection: str
    variant: str
    tested: str
    directory: str
    part_of: str
    passed: int
    planned: int
    waived: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A finding in one trial; `low` and `high` in the base unit of `dimension`."""

    trial: str
    began: str
    verdict: str
    measured: str
    bound: str
    reason: str
    low: float | None
    high: float | None
    dimension: str
    waived: str
    proven: str
    tested: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Flaky:
    """A finding with several verdicts although the same was tested. `reason`: the last one, of `trial`."""

    finding: str
    passed: int
    others: int
    reason: str
    trial: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Slow:
    """A scenario's length over the last trials."""

    scenario: str
    median_ns: float
    least_ns: int
    most_ns: int
    trials: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Regression:
    """A finding that is worse than it was in the baseline."""

    finding: str
    before: str
    after: str
    word: str  # worse, changed


def last_trials(database: Database, limit: int, *, rounds: bool = False, name: str | None = None) -> list[Past]:
    """Newest first; rounds of soaks and repetitions only where they are asked for."""
    where, values = [] if rounds else [_ALONE], []
    if name is not None:
        where.append("name = ?")
        values.append(name)
    condition = f"where {' and '.join(where)}" if where else ""
    rows = database.rows(f"select {_TRIAL} from trials {condition} order by began desc limit ?", *values, limit)  # noqa: S608 - our words
    return [Past(**dict(zip(_TRIAL.split(", "), row, strict=True))) for row in rows]


def counted(database: Database) -> tuple[int, int]:
    """Trials, and rounds among them."""
    ((whole,),) = database.rows("select count(*) from trials")
    ((alone,),) = database.rows(f"select count(*) from trials where {_ALONE}")  # noqa: S608
    return whole, whole - alone


def findings_like(database: Database, text: str) -> list[tuple[str, str]]:
    """Findings with specs by an id, or by its beginning where no finding has that id."""
    exact = database.rows("select finding, spec from names where finding = ? order by spec", text)
    if exact:
        return [(f, s) for f, s in exact]
    end = text + "\U0010ffff"
    found = database.rows(
        "select finding, spec from names where finding >= ? and finding < ? order by finding", text, end
    )
    return [(f, s) for f, s in found]


def known_findings(database: Database, limit: int) -> list[str]:
    """Some ids, for hints."""
    return [row[0] for row in database.rows("select distinct finding from names order by finding limit ?", limit)]


def trend(database: Database, finding: str, spec: str, limit: int) -> list[Point]:
    """The last points, oldest first; without variants, which are made to be otherwise."""
    rows = database.rows(
        "select t.trial, t.began, f.verdict, f.measured, f.bound, f.reason, f.low, f.high, f.dimension, f.waived, f.proven, t.tested"
        " from trials t join findings f on f.trial = t.id and f.name = (select id from names where finding = ? and spec = ?)"
        " where t.spec = ? and t.variant = '' order by t.began desc limit ?",
        finding,
        spec,
        spec,
        limit,
    )
    names = (
        "trial",
        "began",
        "verdict",
        "measured",
        "bound",
        "reason",
        "low",
        "high",
        "dimension",
        "waived",
        "proven",
        "tested",
    )
    return [Point(**dict(zip(names, row, strict=True))) for row in reversed(rows)]


def counts(database: Database, finding: str, spec: str) -> Mapping[str, int]:
    """Of all trials: how often it had which verdict."""
    return dict(
        database.rows(
            "select f.verdict, count(*) from findings f join trials t on t.id = f.trial"
            " where f.name = (select id from names where finding = ? and spec = ?) and t.variant = '' group by f.verdict",
            finding,
            spec,
        )
    )


def flaky(database: Database, spec: str, window: int = WINDOW) -> list[Flaky]:
    """Among the last trials of a spec: findings that passed and did not, though what was tested had one digest."""
    rows = database.rows(
        "with last as (select id, tested from trials where spec = ? and variant = '' and tested <> '' order by began desc limit ?),"
        " sums as (select f.name, sum(case when f.verdict = 'PASS' then 1 else 0 end) passed,"
        "  sum(case when f.verdict <> 'PASS' then 1 else 0 end) others, max(case when f.verdict <> 'PASS' then l.id else 0 end) latest"
        "  from last l join findings f on f.trial = l.id where f.exercised = 1 group by f.name, l.tested)"
        " select n.finding, s.passed, s.others, s.latest from sums s join names n on n.id = s.name"
        " where s.passed > 0 and s.others > 0 and n.finding <> ?",
        spec,
        window,
        UNCHANGED,
    )
    sums: dict[str, list[int]] = {}
    for finding, passed, others, trial in rows:
        known = sums.setdefault(finding, [0, 0, 0])
        sums[finding] = [known[0] + passed, known[1] + others, max(known[2], trial)]
    found = [_flaky(database, finding, *numbers) for finding, numbers in sums.items()]
    return sorted(found, key=lambda f: (f.passed / (f.passed + f.others), f.finding))


def _flaky(database: Database, finding: str, passed: int, others: int, trial: int) -> Flaky:
    rows = database.rows(
        "select f.reason, t.trial from findings f join trials t on t.id = f.trial join names n on n.id = f.name"
        " where f.trial = ? and n.finding = ?",
        trial,
        finding,
    )
    reason, name = rows[0] if rows else ("", "")
    return Flaky(finding=finding, passed=passed, others=others, reason=reason, trial=name)


def slowest(database: Database, spec: str, window: int = 20) -> list[Slow]:
    """Scenarios by the median of their lengths in the last trials."""
    rows = database.rows(
        "with last as (select id from trials where spec = ? and variant = '' order by began desc limit ?)"
        " select s.scenario, s.took_ns from last l join scenarios s on s.trial = l.id",
        spec,
        window,
    )
    took: dict[str, list[int]] = {}
    for scenario, ns in rows:
        took.setdefault(scenario, []).append(ns)
    found = [
        Slow(scenario=s, median_ns=_median(v), least_ns=min(v), most_ns=max(v), trials=len(v)) for s, v in took.items()
    ]
    return sorted(found, key=lambda s: -s.median_ns)


def _median(values: list[int]) -> float:
    """Without the library, which takes longer to import than all of this takes."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def accept(database: Database, trial: str, by: str, at: str) -> str | None:
    """From now on the baseline of its spec; None where no such trial is known."""
    rows = database.rows("select spec from trials where trial = ?", trial)
    if not rows:
        return None
    with database.transaction():
        database.rows("delete from accepted where spec = ?", rows[0][0])
        database.rows("insert into accepted values (?, ?, ?, ?)", rows[0][0], trial, by, at)
    return str(rows[0][0])


def baseline(database: Database, spec: str, before: str) -> tuple[str, str]:
    """The trial that a spec's are held against, and why that: the one that was accepted, else the last GO of all of it."""
    rows = database.rows("select trial, by_whom, at from accepted where spec = ?", spec)
    if rows:
        return rows[0][0], f"accepted by {rows[0][1]}, {rows[0][2]}"
    rows = database.rows(
        "select trial from trials where spec = ? and began < ? and outcome = 'GO' and variant = '' and selection = ''"
        " order by began desc limit 1",
        spec,
        before,
    )
    return (rows[0][0], "the last GO") if rows else ("", "")


def regressions(database: Database, trial: str, base: str) -> list[Regression]:
    """Verdicts that fell, and measured intervals that are apart on the worse side of their bound."""
    rows = database.rows(
        "select n.finding, a.verdict, a.measured, a.low, a.high, b.verdict, b.measured, b.low, b.high, b.bound, a.reason, b.reason"
        " from findings b join trials tb on tb.id = b.trial join names n on n.id = b.name"
        " join findings a on a.name = b.name join trials ta on ta.id = a.trial where tb.trial = ? and ta.trial = ?",
        trial,
        base,
    )
    order = ("PASS", "INCONCLUSIVE", "FAIL")
    found = []
    for finding, was, shown, low, high, now, shows, lower, higher, bound, why_before, why in rows:
        if order.index(now) > order.index(was):
            after = f"{now}: {shows or why}"
            found.append(Regression(finding=finding, before=f"{was}: {shown or why_before}", after=after, word="worse"))
        elif low is not None and lower is not None:
            word = _apart((low, high), (lower, higher), bound)
            if word:
                found.append(Regression(finding=finding, before=shown, after=shows, word=word))
    return found


def _apart(before: tuple[float, float | None], after: tuple[float, float | None], bound: str) -> str:
    """`worse` by what its bound wants; `changed` where that does not say; empty where they overlap or it is better."""
    above = before[1] is not None and after[0] > before[1]
    below = after[1] is not None and after[1] < before[0]
    if not above and not below:
        return ""
    if bound.startswith("<"):
        return "worse" if above else ""
    if bound.startswith(">"):
        return "worse" if below else ""
    return "changed"


def last_verdicts(database: Database, spec: str) -> dict[str, tuple[str, str]]:
    """Scenario -> its verdict in the last trial of the spec that ran it, and that trial; variants and rounds aside."""
    rows = database.rows(
        "with last as (select id, trial, began from trials where spec = ? and variant = '' order by began desc limit ?)"
        " select s.scenario, s.verdict, l.trial from last l join scenarios s on s.trial = l.id order by l.began",
        spec,
        WINDOW,
    )
    return {scenario: (verdict, trial) for scenario, verdict, trial in rows}


def last_findings(database: Database, spec: str) -> Sequence[tuple[str, str, str]]:
    """Of the last trial of a spec: finding, scenario, verdict, of those that did not pass and were not waived."""
    return [
        (f, s, v)
        for f, s, v in database.rows(
            "select n.finding, n.scenario, f.verdict from findings f join names n on n.id = f.name"
            " where f.trial = (select id from trials where spec = ? and variant = '' order by began desc limit 1)"
            " and f.verdict <> 'PASS' and f.waived = '' and f.severity = 'blocking'",
            spec,
        )
    ]


def last_go(database: Database, spec: str) -> Past | None:
    """The last whole trial that was GO."""
    rows = database.rows(
        f"select {_TRIAL} from trials where spec = ? and outcome = 'GO' and variant = '' and selection = '' order by began desc limit 1",  # noqa: S608
        spec,
    )
    return Past(**dict(zip(_TRIAL.split(", "), rows[0], strict=True))) if rows else None
