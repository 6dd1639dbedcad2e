"""What reactions come to: blind beats all, and nothing heard is nothing shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.proofs import Heard, Proof, Proven, Reaction, alike, by_variants, deaf_to_all, prove, unnoticed
from seatrial.core.writing import grpc_writes, http_writes, redis_writes, split_writes, sql_writes


def reaction(state: str, heard: Heard, must: bool = True) -> Reaction:
    return Reaction(finding="s/a", state=state, heard=heard, must=must, reason=f"{state} {heard}")


REACTIONS = st.lists(st.builds(reaction, st.sampled_from("abc"), st.sampled_from(Heard), st.booleans()), max_size=6)


@given(REACTIONS, st.lists(st.just("any answer satisfies it"), max_size=1))
def test_proven_is_what_was_red_wherever_it_had_to_be(reactions: list[Reaction], deaf: list[str]) -> None:
    proof = prove("s/a", reactions, deaf)
    wanted = [r.heard for r in reactions if r.must]
    assert (proof.outcome is Proven.BLIND) == (Heard.GREEN in wanted or bool(deaf))
    if proof.outcome is Proven.PROVEN:
        assert Heard.RED in wanted
        assert set(wanted) <= {Heard.RED, Heard.NOT_ASKED}
        assert proof.by
    if proof.outcome is Proven.NOT_PROVABLE:
        assert proof.why
        assert not proof.by


def test_nothing_is_shown_by_nothing() -> None:
    assert prove("s/a", [], []).outcome is Proven.NOT_PROVABLE
    assert prove("s/a", [reaction("stop web", Heard.RED, must=False)], []).outcome is Proven.NOT_PROVABLE
    assert prove("s/a", [], [], "the trial ended").why == "the trial ended"


@given(st.sampled_from(Proven), st.lists(st.sampled_from(["v", "w"]), min_size=1, unique=True))
def test_a_variant_proves_what_no_state_could_and_opens_no_eyes(outcome: Proven, names: list[str]) -> None:
    before = Proof(finding="s/a", outcome=outcome, by=("stop web",) if outcome is Proven.PROVEN else ())
    after = by_variants({"s/a": before}, {"s/a": names, "s/other": names})
    expected = outcome if outcome is Proven.BLIND else Proven.PROVEN
    assert after["s/a"].outcome is expected
    assert after["s/other"].by == tuple(f"variant {n}" for n in names)


def test_the_matrix_tells_what_nobody_notices_and_who_notices_nothing() -> None:
    heard = [
        ("a", "x", "red"), ("a", "y", "green"), ("b", "x", "red"), ("b", "y", "green"), ("c", "x", "green"), ("c", "y", "green"),
        ("d", "x", "not asked"), ("e", "x", "red"), ("e", "y", "unsure"),
    ]  # fmt: skip
    assert unnoticed(["x", "y", "z"], heard) == ["y", "z"]
    assert deaf_to_all(heard) == ["c"]
    assert alike(heard) == [["a", "b"]]


@pytest.mark.parametrize(
    ("writes", "does", "does_not"),
    [
        (http_writes, ["POST /x", "put /x", "DELETE /x"], ["GET /x", "/x", "HEAD /x", "options /", "http://127.0.0.1/x"]),
        (
            sql_writes,
            ["insert into x values (1)", "with a as (delete from x) select 1", "select 1 for update", "select nextval('s')", "do $$ $$"],
            ["select 1", " SELECT * from x", "show work_mem", "values (1)"],
        ),
        (redis_writes, ["SET a 1", "lpush a b", "FLUSHALL"], ["get a", "PING", "INFO replication", "hgetall h"]),
        (grpc_writes, ["x.Shop/Create", "x.Shop/Gettysburg"], ["grpc.health.v1.Health/Check", "x.Shop/GetItem", "x.Shop/List"]),
        (split_writes, ["POST /x", "x.Shop/Buy"], ["GET /", "/x", "x.Shop/GetItem"]),
    ],
)  # fmt: skip
def test_what_writes(writes: object, does: list[str], does_not: list[str]) -> None:
    assert callable(writes)
    assert [w for w in does if not writes(w, {})] == []
    assert [w for w in does_not if writes(w, {})] == []
    assert sql_writes("insert into x values (1)", {"read-only": True}) is False
