"""JUnit XML as the tools write it: pytest, go-junit-report, Surefire, Gradle, jest-junit, k6, gtest, Mocha.

There is no standard; https://github.com/testmoapp/junitxml describes what is usual. A root `testsuites` or `testsuite`, nested at will;
a `testcase` is red with a child `failure` or `error`, skipped with `skipped`, else green.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from ..core.suites import Case, MalformedReport, Report, Told

_RED, _SKIPPED = frozenset({"failure", "error"}), frozenset({"skipped"})
_STATUS = {  # an attribute of gtest, Catch2 and others
    "failed": Told.RED, "failure": Told.RED, "error": Told.RED, "skipped": Told.SKIPPED, "disabled": Told.SKIPPED, "notrun": Told.SKIPPED,
    "ignored": Told.SKIPPED, "pending": Told.SKIPPED, "suppressed": Told.SKIPPED,
}  # fmt: skip
_WORST = (Told.GREEN, Told.SKIPPED, Told.RED)
_BEFORE = ("failed on setup", "collection failure", "beforeeach", "beforeall", "setupclass")  # in lower case
_WORDS = 300


def read_junit(path: Path) -> Report:
    """A file, or all files `*.xml` of a directory. Raises MalformedReport with the place; FileNotFoundError where there is nothing."""
    files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(path)
    cases: dict[str, Case] = {}
    for file in files:
        for case in _read(file):
            cases[case.test] = _worse(cases.get(case.test), case)
    return Report(cases=tuple(cases.values()))


def _read(file: Path) -> Iterator[Case]:
    if file.stat().st_size == 0:
        raise MalformedReport(f"{file.name} is empty")
    try:
        root = parse(file).getroot()
    except ParseError as error:
        line, column = error.position
        raise MalformedReport(f"{file.name}:{line}:{column + 1} is no XML: {error}") from None
    except DefusedXmlException as error:
        raise MalformedReport(f"{file.name} defines entities of its own, which no JUnit file does: {error}") from None
    except (LookupError, ValueError) as error:  # an encoding that there is not
        raise MalformedReport(f"{file.name} cannot be read: {error}") from None
    if _tag(root) not in ("testsuites", "testsuite", "testcase"):
        raise MalformedReport(
            f"{file.name} is no JUnit file: its root is <{_tag(root)}>, not <testsuites> or <testsuite>"
        )
    yield from _walk(root, "")


def _walk(element: Element, suite: str) -> Iterator[Case]:
    if _tag(element) == "testcase":
        case = _case(element, suite)
        if case is not None:
            yield case
        return
    suite = element.get("name") or suite
    for child in element:
        tag = _tag(child)
        if tag in ("testsuite", "testcase"):
            yield from _walk(child, suite)
        elif tag in _RED:  # of a suite as a whole: what it is given could not be made
            yield Case(test=suite or "suite", told=Told.RED, words=_words(child), setup=True)


def _case(element: Element, suite: str) -> Case | None:
    """One test; None for one without a name, which a tool writes that is interrupted in a test."""
    name, group = (element.get("name") or "").strip(), (element.get("classname") or suite).strip()
    if not name:
        return None
    told, words, setup = (
        _STATUS.get((element.get("status") or element.get("result") or "").lower(), Told.GREEN),
        "",
        False,
    )
    for child in element:
        tag = _tag(child)
        new = Told.RED if tag in _RED else Told.SKIPPED if tag in _SKIPPED else None
        if new is None or (words and _WORST.index(new) <= _WORST.index(told)):
            continue
        told, words = new, _words(child) or tag
        setup = new is Told.RED and any(b in f"{child.get('message') or ''}".lower() for b in _BEFORE)
    # A file that could not be collected has no group of its own.
    test = f"{group}::{name}" if group and element.get("classname") != "" else name
    return Case(test=test, told=told, words=words, setup=setup, took_ns=_took(element.get("time")))


def _words(element: Element) -> str:
    """What it says: its message, or the first line of its text; for a test that failed in its setup both, for the message says no more."""
    message = " ".join((element.get("message") or "").split())
    text = (element.text or "").strip()
    if message:
        return message[:_WORDS]
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:_WORDS]


def _took(text: str | None) -> int:
    """Seconds, with or without commas between thousands."""
    try:
        seconds = float((text or "0").replace(",", ""))
    except ValueError:
        return 0
    return round(seconds * 1e9) if 0 <= seconds < 1e9 else 0


def _worse(one: Case | None, other: Case) -> Case:
    """Of several of the same name (a test, and its teardown) the worst counts."""
    return other if one is None or _WORST.index(other.told) > _WORST.index(one.told) else one


def _tag(element: Element) -> str:
    """Without a namespace; comments have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
