"""TAP 12 to 14, from tools and by chance: what a line says is heard, what is no TAP is passed over or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.suites import MalformedReport, Told
from seatrial.suites.tap import looks_like_tap, read_tap


def told(text: str) -> dict[str, str]:
    return {c.test: c.told.value for c in read_tap(text).cases}


def test_lines_of_tests_and_their_directives() -> None:
    text = """TAP version 13
1..8
ok 1 - pays
not ok 2 - books
  ---
  message: 'status 500'
  severity: fail
  ...
ok 3 - cancels # SKIP redis is not there
not ok 4 # TODO not written yet
ok 5 - refunds # todo
ok
# a comment
something of the program itself
ok 7 - costs 5 \\# a piece
not ok 8
"""
    report = read_tap(text)
    cases = {c.test: (c.told.value, c.words) for c in report.cases}
    assert cases == {
        "pays": ("green", ""), "books": ("red", "status 500"), "cancels": ("skipped", "redis is not there"),
        "test 4": ("skipped", "TODO not written yet"), "refunds": ("green", ""), "test 6": ("green", ""),
        "costs 5 # a piece": ("green", ""), "test 8": ("red", "not ok"),
    }  # fmt: skip
    assert not report.cut


def test_subtests_are_tests_of_their_own() -> None:
    text = """TAP version 14
# Subtest: shop
    # Subtest: pay
        ok 1 - by card
        not ok 2 - by cash
        1..2
    not ok 1 - pay
    ok 2 - look
    1..2
not ok 1 - shop
# Subtest: books
    ok 1 - balance
    1..1
not ok 2 - books
ok 3 - alone
1..3
"""
    assert told(text) == {
        "shop / pay / by card": "green", "shop / pay / by cash": "red", "shop / look": "green", "books / balance": "green",
        "books": "red", "alone": "green",
    }  # fmt: skip


def test_several_of_one_name_are_told_apart() -> None:
    assert told("1..3\nok 1 - a\nnot ok 2 - a\nok 3 - a (2)\n") == {"a": "green", "a (2)": "red", "a (2) (2)": "green"}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("1..3\nok 1\n", "it planned 3 tests and reported 1"),
        ("ok 1\nok 2\n", "no plan"),
        ("1..2\nok 1\nBail out! no database\n", "Bail out! no database"),
        ("1..0 # SKIP nothing to do here\n", "it skips everything: nothing to do here"),
        ("1..0\n", ""),
    ],
)
def test_what_may_be_missing_is_said(text: str, cut: str) -> None:
    assert (cut in read_tap(text).cut) if cut else not read_tap(text).cut


def test_what_was_cut_off_need_not_keep_to_its_plan() -> None:
    assert not read_tap("1..3\nok 1\n", whole=False).cut


@pytest.mark.parametrize("text", ["", "all is well\n", "okay 1\n", "<testsuites/>"])
def test_what_is_none_is_refused(text: str) -> None:
    assert not looks_like_tap(text)
    with pytest.raises(MalformedReport):
        read_tap(text)


def test_an_output_is_taken_for_tap_when_it_says_so() -> None:
    assert looks_like_tap("noise\nTAP version 14\n")
    assert looks_like_tap("ok 1\n1..1\n")
    assert not looks_like_tap("ok then\nnot ok at all\n")  # no plan, no version


@given(st.text(max_size=300))
def test_nothing_breaks_it(text: str) -> None:
    refused = ""
    try:
        found = read_tap(text)
    except MalformedReport as error:
        refused = str(error)
    assert refused.startswith("there is no line of TAP") or found.cases or found.cut or any(c.isdigit() for c in text)


WORDS = st.text(st.sampled_from("abc xyz"), min_size=1, max_size=8).map(lambda t: " ".join(t.split())).filter(bool)


@given(st.dictionaries(WORDS, st.sampled_from(Told), min_size=1, max_size=6))
def test_what_is_written_is_read(tests: dict[str, Told]) -> None:
    lines = [f"1..{len(tests)}"]
    for number, (name, said) in enumerate(tests.items(), 1):
        lines.append(
            f"{'not ' if said is Told.RED else ''}ok {number} - {name}{' # SKIP' if said is Told.SKIPPED else ''}"
        )
    report = read_tap("\n".join(lines))
    assert {c.test: c.told for c in report.cases} == tests
    assert not report.cut
