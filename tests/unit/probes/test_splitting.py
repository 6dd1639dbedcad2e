"""Who is asked, and what is said of who answered."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.expressions import Judgement, Missing, Scope, Type, compile_expression, compile_path
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.templates import Template
from seatrial.probes.split import VERB, check, expects, over_grpc
from seatrial.probes.splitting import Design, Tally, design, made

BACKENDS = ("old", "new")
assignments = st.dictionaries(st.integers(0, 40).map(lambda n: f"u{n}"), st.sampled_from(BACKENDS))


def percent(value: float) -> Quantity:
    return Quantity(value / 100, Dimension.RATIO)


def tally(assigned: dict[str, str], *nobody: str, **more: object) -> Tally:
    found = Tally(design=Design(users=[*assigned, *nobody], **more))  # type: ignore[arg-type]
    for user, backend in assigned.items():
        found.answered(user, backend)
    for user in nobody:
        found.lost(user, "timeout")
    return found


def judged(condition: str, found: Tally, before: dict[str, str] | None = None) -> Judgement:
    return compile_expression(condition, Scope(names=VERB.observes)).evaluate(found.values(before))


def group(old: int, new: int) -> dict[str, str]:
    return {f"u{n}": "new" if n < new else "old" for n in range(old + new)}


# -- who is asked


def test_users_are_numbered_or_drawn_by_a_seed_and_more_begin_with_fewer() -> None:
    assert list(islice(made("user-", None), 3)) == ["user-1", "user-2", "user-3"]
    some, more = list(islice(made("u", 7), 100)), list(islice(made("u", 7), 5000))
    assert more[:100] == some
    assert len(set(more)) == 5000
    assert set(some).isdisjoint(islice(made("u", 8), 100))


def test_so_many_users_are_taken_as_the_difference_needs() -> None:
    given = {"share": {"new": percent(10)}, "difference": percent(5)}
    assert len(design(given).users) == 1163
    assert "5% or 15% is found in 99.5%" in design(given).text
    assert len(design({**given, "users": 10_000}).users) == 10_000
    assert len(design({"share": {"old": percent(100)}}).users) == 528
    both = {"share": {"new": percent(10), "old": percent(90)}, "difference": percent(5)}
    assert design(both).confidence == design(given).confidence == 0.99
    three = {"share": {"a": percent(20), "b": percent(30), "c": percent(50)}, "difference": percent(5)}
    assert design(three).confidence == pytest.approx(1 - 0.01 / 3)
    assert len(design(three).users) > len(design({"share": {"c": percent(50)}, "difference": percent(5)}).users)


WRONG = [
    ({}, "", "how many users"),
    ({"share": {"new": percent(10)}}, "share", "needs difference"),
    ({"share": {"new": percent(1)}, "difference": percent(5)}, "difference", "at most 1%"),
    ({"share": {"new": percent(99)}, "difference": percent(5)}, "difference", "at most 1%"),
    ({"share": {"new": percent(10)}, "difference": percent(0)}, "difference", "more than 0%"),
    ({"share": {"new": percent(60), "old": percent(50)}, "difference": percent(5)}, "share", "110% together"),
    ({"share": {"new": percent(0)}}, "share", "alone shows nothing"),
    ({"users": 10, "difference": percent(5)}, "difference", "difference from nothing"),
    ({"users": ("a", "b", "a")}, "users", "user a is listed twice"),
    ({"users": ("a",), "seed": 7}, "seed", "means nothing"),
    ({"users": 5, "message": {}}, "message", "means nothing"),
    ({"users": 5, "headers": {}}, "", "all requests are the same"),
    ({"users": 5, "backend": None}, "", "who answered"),
    ({"users": 5, "backend": compile_path("metadata.x")}, "backend", "no metadata"),
    ({"share": {"new": percent(50)}, "difference": percent(0.001)}, "difference", "more than 1,000,000"),
]


@pytest.mark.parametrize(("arguments", "key", "message"), WRONG)
def test_what_does_not_go_together_is_refused(arguments: dict[str, object], key: str, message: str) -> None:
    user = Template.parse("{{ user }}", Scope(names={"user": Type.TEXT}))
    given = {"backend": compile_path("headers.x-by"), "headers": {"x-user": user}, **arguments}
    wrong = check("GET /", {n: v for n, v in given.items() if v is not None})
    assert wrong is not None
    assert wrong.key == key
    assert message in wrong.message


def test_a_method_is_told_from_a_path() -> None:
    assert over_grpc("shop.v1.Items/Get")
    assert not any(map(over_grpc, ("GET /shop.Items/Get", "/a/b", "http://x/y", "GET http://x/y")))


def test_wanted_shares_are_a_condition() -> None:
    assert expects({}) == ""
    assert expects({"share": {"new": percent(12.5), "v 2": percent(0)}}) == 'share.new == 12.5% and share["v 2"] == 0%'


# -- shares


def test_a_share_is_right_wrong_or_open() -> None:
    wanted = {"difference": 0.05, "shares": {"new": 0.1}}
    assert judged("share.new == 10%", tally(group(1047, 116), **wanted)).truth is True
    assert judged("share.new == 10%", tally(group(989, 174), **wanted)).truth is False
    few = judged("share.new == 10%", tally(group(90, 10), **wanted))
    assert few.truth is None
    assert "100 users, and it takes 1,163" in few.reason


def test_all_and_none_are_refuted_by_one_user() -> None:
    wanted = {"difference": 0.01, "shares": {"old": 1.0, "new": 0.0}}
    both = "share.old == 100% and share.new == 0%"
    assert judged(both, tally(group(1000, 0), **wanted)).truth is True
    assert judged(both, tally(group(999, 1), **wanted)).truth is False


def test_listed_users_are_counted_and_not_estimated() -> None:
    listed = {"listed": True, "shares": {"new": 1.0}}
    assert judged("share.new == 100%", tally(group(0, 2), **listed)).truth is True
    assert judged("share.new == 100%", tally(group(1, 2), **listed)).truth is False
    assert judged("share.new == 100%", tally(group(0, 2), "u9", **listed)).truth is None


def test_users_without_an_answer_leave_it_open_unless_they_are_allowed() -> None:
    wanted = {"difference": 0.05, "shares": {"new": 0.1}}
    open_ = judged("share.new == 10%", tally(group(1080, 119), "lost", **wanted))
    assert open_.truth is None
    assert "1 of 1,200 users have no backend" in open_.reason
    assert judged("share.new == 10%", tally(group(1080, 119), "lost", missing=0.01, **wanted)).truth is True
    nobody = [f"x{n}" for n in range(60)]  # 5 % of them: they may be anybody's
    assert judged("share.new == 10%", tally(group(1027, 113), *nobody, missing=0.01, **wanted)).truth is None
    assert judged("share.new == 10%", tally(group(600, 540), *nobody, **wanted)).truth is False


@given(assignments, st.integers(0, 5))
def test_a_share_holds_whatever_the_missing_users_would_have_said(assigned: dict[str, str], lost: int) -> None:
    nobody = [f"x{n}" for n in range(lost)]
    if not assigned:
        return
    seen = tally(assigned, *nobody).values()["share"]
    for backend in set(assigned.values()):
        whole = tally({**assigned, **dict.fromkeys(nobody, backend)}).values()["share"]
        assert seen[backend].low <= whole[backend].low  # type: ignore[index]
        assert seen[backend].high == whole[backend].high  # type: ignore[index]


# -- stickiness and growth


@given(assignments, assignments)
def test_who_moved_is_who_was_elsewhere(before: dict[str, str], now: dict[str, str]) -> None:
    values = tally(now).values(before)
    both = set(before) & set(now)
    if not both:
        assert all(isinstance(values[n], Missing) for n in ("moved", "pairs", "left", "joined", "compared"))
        return
    assert values["moved"] == sum(before[u] != now[u] for u in both)
    assert sum(values["left"].values()) == sum(values["joined"].values()) == values["moved"]  # type: ignore[attr-defined]
    assert sum(values["pairs"].values()) == values["moved"]  # type: ignore[attr-defined]
    assert values["compared"] == len(both)


def test_growth_takes_nobody_out_of_the_group() -> None:
    before, grown = group(900, 100), group(500, 500)
    assert judged("left.new == 0 and joined.new == 400", tally(grown), before).truth is True
    turned = {**grown, "u1": "old"}
    wrong = tally(turned)
    assert judged("left.new == 0", wrong, before).truth is False
    assert judged('pairs["new -> old"] == 1', wrong, before).truth is True
    assert wrong.record(before)["moved for example"] == [
        "u1: new -> old",
        *(f"u{n}: old -> new" for n in range(100, 104)),
    ]


def test_who_does_not_answer_any_more_may_have_moved() -> None:
    before = group(90, 10)
    now = {u: b for u, b in before.items() if u != "u5"}
    seen = judged("moved == 0", tally(now, "u5"), before)
    assert seen.truth is None
    assert "1 users who had a backend have none now" in seen.reason
    assert judged("moved == 0", tally(now, "u5", missing=0.05), before).truth is True
    assert judged("moved == 0", tally({**now, "u7": "old"}, "u5"), before).truth is False


def test_without_an_earlier_look_nothing_is_said_of_moves() -> None:
    assert judged("moved == 0", tally(group(9, 1))).truth is None


def test_a_user_at_two_backends_counts_once_and_is_told() -> None:
    seen = tally(group(9, 1), repeat=2)
    for user, backend in group(9, 1).items():
        seen.answered(user, "new" if user == "u3" else backend)
    assert seen.values()["counts"] == {"new": 1, "old": 9}
    assert seen.values()["unsteady"] == 1
    assert seen.record()["for example"] == ["u3: old, and new"]
    seen.lost("u4", "timeout")
    assert judged("unsteady == 1", seen).truth is None
    assert judged("unsteady == 0", seen).truth is False
    assert isinstance(tally(group(9, 1)).values()["unsteady"], Missing)
