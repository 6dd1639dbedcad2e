"""What a suite's runs come to: red everywhere in a place proves, green in spite of it does not; nothing is made of what was not said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.proofs import Heard, Proven, Reaction, State
from seatrial.core.suites import (
    Case,
    SuiteRun,
    Told,
    conclude,
    confirm,
    hear,
    limit_of,
    not_steady,
    react,
    unusable,
)

STATES = {f"{f} {p}": State(id=f"{f} {p}", fault=f, at=p) for p in ("web", "db") for f in ("stop", "pause")}


def case(test: str, told: Told, words: str = "", *, setup: bool = False) -> Case:
    return Case(test=test, told=told, words=words, setup=setup)


def run(
    *cases: Case, status: int = 0, ended: bool = True, trouble: str = "", cut: str = "", took_s: float = 1
) -> SuiteRun:
    return SuiteRun(
        name="r", cases={c.test: c for c in cases}, source="JUnit", exit_status=status, ended=ended, took_ns=int(took_s * 1e9),
        trouble=trouble, cut=cut,
    )  # fmt: skip


def said(**by_state: Heard | tuple[Heard, str]) -> list[Reaction]:
    found = []
    for name, heard in by_state.items():
        word, reason = heard if isinstance(heard, tuple) else (heard, "")
        found.append(Reaction(finding="t", state=name.replace("_", " "), heard=word, must=False, reason=reason))
    return found


G, R, S, N, U, E = Heard.GREEN, Heard.RED, Heard.SKIPPED, Heard.NOT_ASKED, Heard.UNSURE, Heard.NO_END


@pytest.mark.parametrize(
    ("words", "outcome", "why"),
    [
        ((R, R, R, R), "proven", ""),
        ((R, R, G, G), "proven", ""),
        ((R, E, G, G), "proven", "whether it hears silence is not known: pause web: killed"),
        ((R, N, G, G), "proven", "whether it hears silence is not known: pause web: not reported"),
        ((R, E, R, R), "proven", ""),
        ((R, R, R, G), "proven", ""),  # a cache may hide the database for a while, and the test hears its own service
        ((G, G, G, G), "blind", "green in all 4 states"),
        ((G, S, G, G), "blind", "skips itself in pause web (gone), green in all others"),
        ((S, S, S, S), "blind", "skips itself in"),
        ((R, G, G, G), "blind", "it hears a refused connection"),
        ((G, G, S, R), "blind", "it hears silence"),
        ((G, E, G, E), "blind", "green in all 2 states"),  # whoever is green with it gone talks to nobody
        ((G, G, N, N), "not provable", "stop db"),
        ((N, N, N, N), "not provable", ""),
        ((U, U, G, G), "wrong reason", "red, and red when all was whole again"),
        ((G, G, E, E), "not provable", ""),
    ],
)
def test_outcomes(words: tuple[Heard, ...], outcome: str, why: str) -> None:
    reasons = {S: "gone", U: "red, and red when all was whole again", E: "killed", N: "not reported"}
    reactions = [
        Reaction(finding="t", state=s, heard=h, must=False, reason=reasons.get(h, ""))
        for s, h in zip(STATES, words, strict=True)
    ]
    proof = conclude("t", reactions, STATES)
    assert (proof.outcome.value, proof.by) == (outcome, tuple(s for s, h in zip(STATES, words, strict=True) if h is R))
    assert (why in proof.why) if why else not proof.why or outcome != "proven"


@given(st.lists(st.sampled_from(Heard), min_size=4, max_size=4), st.booleans())
def test_nothing_is_proven_that_was_not_red_and_nothing_blind_that_was_not_seen(
    words: list[Heard], whole: bool
) -> None:
    reactions = [Reaction(finding="t", state=s, heard=h, must=False) for s, h in zip(STATES, words, strict=True)]
    proof = conclude("t", reactions, STATES, "" if whole else "cut short")
    places = [words[:2], words[2:]]
    silent = [any(h in (G, S) for h in p) for p in places]
    assert (proof.outcome is Proven.PROVEN) == any(R in p and not s for p, s in zip(places, silent, strict=True))
    if proof.outcome is Proven.BLIND:
        assert all(STATES[s] for s in proof.blind_to)
        assert R in words or (all(silent) and whole)
    assert all(words[list(STATES).index(s)] is R for s in proof.by)


def test_a_fault_that_nobody_saw_counts_for_nothing() -> None:
    unseen = {s: State(id=s, fault=x.fault, at=x.at, witnessed=False) for s, x in STATES.items()}
    assert conclude("t", said(stop_web=R, pause_web=R), unseen).outcome is Proven.NOT_PROVABLE


def test_red_in_the_setup_alone_is_said() -> None:
    proof = conclude("t", said(stop_web=(R, "in its setup: refused"), pause_web=(R, "in its setup: late")), STATES)
    assert proof.outcome is Proven.PROVEN
    assert "always in its setup" in proof.why


def test_what_a_run_says_of_a_test() -> None:
    green, red = case("m::a", Told.GREEN), case("m::b", Told.RED, "500")
    assert hear("m::b", run(green, red, status=1)) == (R, "500")
    assert hear("m::c", run(green, red, status=1)) == (N, "not reported; the suite ended with 1")
    assert hear("m::c", run(green))[0] is S  # it has gone, and nobody would notice
    assert hear("m::c", run(green, ended=False, took_s=60)) == (E, "not reported when the suite was killed after 60s")
    assert hear("m::c", run(trouble="it wrote no JUnit file"))[0] is U
    assert hear("m::c", run(green, cut="Bail out! x"))[0] is N
    broken = case("m", Told.RED, "collection failure", setup=True)
    assert hear("m::c", run(broken, status=2)) == (R, "in its setup: collection failure")
    assert hear("more::c", run(broken, status=2))[0] is N


def test_red_counts_between_two_greens() -> None:
    whole, broken = (
        run(case("a", Told.GREEN), case("b", Told.RED)),
        run(case("a", Told.RED), case("b", Told.RED), status=1),
    )
    first = react("stop web", ["a", "b"], broken, whole)
    assert [r.heard for r in first] == [R, N]
    assert [r.heard for r in confirm(first, whole)] == [R, N]
    late = confirm(first, broken)[0]
    assert (late.heard, late.reason) == (U, "red, and red when all was whole again")


def test_what_is_not_green_each_time_shows_nothing() -> None:
    green, red, skipped = (run(case("a", t, "why")) for t in (Told.GREEN, Told.RED, Told.SKIPPED))
    assert not not_steady("a", (green, green))
    assert not_steady("a", (green, red)) == "flaky (green, then red) while nothing is broken: why"
    assert not_steady("a", (skipped, skipped)) == "skipped while nothing is broken: why"
    assert not_steady("a", (green, run())).startswith("flaky (green, then not reported)")


def test_a_suite_that_cannot_be_asked() -> None:
    assert unusable(run()) == "it ran no test"
    assert unusable(run(trouble="it wrote no TAP file")) == "it wrote no TAP file"
    assert "did not end" in unusable(run(ended=False))
    assert "none of its 1 tests is green" in unusable(run(case("a", Told.RED, "refused"), status=1))
    assert not unusable(run(case("a", Told.GREEN), case("b", Told.RED)))


def test_a_run_may_take_as_long_as_its_tests_may_wait() -> None:
    one = run(case("a", Told.GREEN))
    assert limit_of(one) == 60_000_000_000
    assert limit_of(run(case("a", Told.GREEN), took_s=30)) == 300_000_000_000
    assert limit_of(run(*(case(str(n), Told.GREEN) for n in range(20)))) == 300_000_000_000
    assert limit_of(run(case("a", Told.GREEN), took_s=3000)) == 900_000_000_000
