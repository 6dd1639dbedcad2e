"""JUnit as tools write it: whatever they nest, a test is red, green or skipped, and what is no JUnit says where and why."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.core.suites import Case, MalformedReport, Told
from seatrial.suites.junit import read_junit

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" tests="6">
<testcase classname="tests.test_shop" name="test_green" time="1,000.250"/>
<testcase classname="tests.test_shop" name="test_red" time="0.1"><failure message="assert 1 == 2">def test_red():</failure></testcase>
<testcase classname="tests.test_shop" name="test_given" time="0.1">
<error message='failed on setup with "OSError: refused"'>text</error></testcase>
<testcase classname="tests.test_shop" name="test_torn" time="0.1"/>
<testcase classname="tests.test_shop" name="test_torn" time="0.1"><error message='failed on teardown with "x"'/></testcase>
<testcase classname="tests.test_shop" name="test_away" time="0.0">
<skipped type="pytest.skip" message="not there">x:1: not there</skipped></testcase>
<testcase classname="" name="tests.test_broken" time="0.0">
<error message="collection failure">ImportError while importing</error></testcase>
<testcase time="0.0"/>
</testsuite></testsuites>"""


def read(tmp_path: Path, text: str) -> dict[str, Case]:
    file = tmp_path / "junit.xml"
    file.write_text(text, encoding="utf-8")
    return {c.test: c for c in read_junit(file).cases}


def test_pytest(tmp_path: Path) -> None:
    cases = read(tmp_path, PYTEST)
    assert {c.test.removeprefix("tests.test_shop::"): c.told.value for c in cases.values()} == {
        "test_green": "green", "test_red": "red", "test_given": "red", "test_torn": "red", "test_away": "skipped",
        "tests.test_broken": "red",
    }  # fmt: skip
    assert cases["tests.test_shop::test_green"].took_ns == 1_000_250_000_000
    assert cases["tests.test_shop::test_red"].words == "assert 1 == 2"
    assert cases["tests.test_shop::test_away"].words == "not there"
    assert {t for t, c in cases.items() if c.setup} == {"tests.test_shop::test_given", "tests.test_broken"}


WRITTEN = {
    "go-junit-report": """<testsuites><testsuite name="shop/e2e"><testcase classname="shop/e2e" name="TestPay">
        <failure message="Failed">x.go:7: 500</failure></testcase></testsuite></testsuites>""",
    "surefire, retried": """<testsuite name="PayIT"><testcase name="pays" classname="PayIT"><flakyFailure message="once"/></testcase>
        <testcase name="books" classname="PayIT"><failure message="a"/><rerunFailure message="b"/></testcase></testsuite>""",
    "jest, mocha": """<testsuites><testsuite name="shop"><testsuite name="login"><testcase name="lets in"/></testsuite></testsuite>
        </testsuites>""",
    "gtest": """<testsuites><testsuite name="A"><testcase name="x" status="notrun" result="suppressed" classname="A"/>
        <testcase name="y" status="run" result="completed" classname="A"/></testsuite></testsuites>""",
    "k6": """<testsuites tests="1" failures="1"><testsuite name="k6 thresholds"><testcase name="http_req_failed - rate&lt;0.01">
        <failure message="failed"/></testcase></testsuite></testsuites>""",
    "one that could not begin": """<testsuite xmlns="urn:x" name="S"><error message="BeforeAll"/><testcase name="a"/></testsuite>""",
    "nothing": "<testsuites/>",
}


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ("go-junit-report", {"shop/e2e::TestPay": "red"}),
        ("surefire, retried", {"PayIT::pays": "green", "PayIT::books": "red"}),
        ("jest, mocha", {"login::lets in": "green"}),
        ("gtest", {"A::x": "skipped", "A::y": "green"}),
        ("k6", {"k6 thresholds::http_req_failed - rate<0.01": "red"}),
        ("one that could not begin", {"S": "red", "S::a": "green"}),
        ("nothing", {}),
    ],
)
def test_what_others_write(tmp_path: Path, who: str, told: dict[str, str]) -> None:
    assert {t: c.told.value for t, c in read(tmp_path, WRITTEN[who]).items()} == told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "junit.xml is empty"),
        ("<testsuites><testcase", "junit.xml:1:"),
        ("<html/>", "its root is <html>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>', "entities"),
        ('<?xml version="1.0" encoding="klingon"?><testsuites/>', "junit.xml"),
        ("all 7 tests passed", "junit.xml:1:1 is no XML"),
    ],
)
def test_what_is_none_says_why(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MalformedReport, match=words.replace("(", r"\(")):
        read(tmp_path, text)


def test_a_directory_is_all_its_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_junit(tmp_path)
    for n in "ab":
        (tmp_path / f"TEST-{n}.xml").write_text(f'<testsuite name="{n}"><testcase name="t"/></testsuite>')
    assert [c.test for c in read_junit(tmp_path).cases] == ["a::t", "b::t"]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=12
).filter(str.strip)
TOLD = {Told.GREEN: "", Told.RED: '<failure message="x"/>', Told.SKIPPED: "<skipped/>"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(NAMES.map(str.strip), st.sampled_from(Told), max_size=6), st.integers(0, 3))
def test_what_is_written_is_read(tmp_path: Path, tests: dict[str, Told], depth: int) -> None:
    cases = "".join(f'<testcase classname="c" name={quoteattr(n)}>{TOLD[t]}</testcase>' for n, t in tests.items())
    text = "<testsuites>" + "<testsuite>" * depth + cases + "</testsuite>" * depth + "</testsuites>"
    found = read(tmp_path, text)
    assert {t: c.told for t, c in found.items()} == {f"c::{n.strip()}": t for n, t in tests.items()}
