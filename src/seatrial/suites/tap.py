"""TAP, the Test Anything Protocol, versions 12 to 14: https://testanything.org/tap-version-14-specification.html.

Subtests are told by their own lines, indented by four spaces, before the line of the test that they belong to; each is a test of its own.
What is no line of TAP is output of something else, and passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..core.suites import Case, MalformedReport, Report, Told

_TEST = re.compile(r"(not )?ok\b(?:[ \t]+(\d+))?(?:[ \t]+|$)(.*)", re.DOTALL)
_PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*(.*))?$")
_VERSION = re.compile(r"TAP version \d+\s*$", re.IGNORECASE)
_BAIL = re.compile(r"Bail out!\s*(.*)")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|TODO)\S*\s*(.*)$", re.IGNORECASE)
_MESSAGE = re.compile(r"\s*(?:message|error):\s*(.+)", re.IGNORECASE)
_INDENT = 4
_WORDS = 300


@dataclass(kw_only=True)
class _Level:
    """Tests at one depth, of one parent. `planned` None: it has not said yet."""

    cases: list[Case] = field(default_factory=list)
    tests: int = 0
    planned: int | None = None
    skip: str | None = None


def looks_like_tap(text: str) -> bool:
    """Whether an output says of itself that it is TAP: by a version, or by a plan beside tests."""
    lines = [line.rstrip() for line in text.splitlines()]
    if any(_VERSION.match(line) for line in lines):
        return True
    return any(_PLAN.match(line) for line in lines) and any(_TEST.match(line) for line in lines)


def read_tap(text: str, *, whole: bool = True) -> Report:
    """What an output tells. `whole` False: it was cut off, and need not keep to its plan. Raises MalformedReport where there is no TAP."""
    reader = _Reader()
    for line in text.splitlines():
        reader.take(line)
    top = reader.levels[0]
    if not top.cases and top.planned is None:
        raise MalformedReport("there is no line of TAP in it (ok 1 - ..., 1..N)")
    cases = _numbered(top.cases)
    if top.planned == 0 and not cases:
        return Report(cases=(), cut=f"it skips everything: {top.skip}" if top.skip is not None else "")
    cut = reader.bail
    if not cut and whole and top.planned is not None and top.planned != top.tests:
        cut = f"it planned {top.planned} tests and reported {top.tests}"
    if not cut and whole and top.planned is None:
        cut = "it has no plan (1..N): it may have stopped early"
    return Report(cases=cases, cut=cut)


class _Reader:
    """Takes lines, one after the other."""

    def __init__(self) -> None:
        self.levels = [_Level()]
        self.bail = ""
        self._in_yaml = False

    def take(self, line: str) -> None:
        bare = line.strip()
        if self._in_yaml:
            self._explain(bare)
            return
        if bare == "---":
            self._in_yaml = True
            return
        depth = min(len(line) - len(line.lstrip(" ")), 64) // _INDENT
        bail = _BAIL.match(bare)
        if bail is not None:
            self.bail = self.bail or f"Bail out! {bail[1]}".strip()
        elif plan := _PLAN.match(bare):
            level = self._at(depth)
            level.planned = int(plan[1]) if len(plan[1]) < 10 else None
            directive = _DIRECTIVE.search(f"# {plan[2]}") if plan[2] else None
            level.skip = directive[2].strip() if directive else None
        elif test := _TEST.match(bare):
            self._test(depth, red=bool(test[1]), number=test[2], rest=test[3].strip())

    def _at(self, depth: int) -> _Level:
        while len(self.levels) <= depth:
            self.levels.append(_Level())
        return self.levels[depth]

    def _test(self, depth: int, *, red: bool, number: str | None, rest: str) -> None:
        level = self._at(depth)
        level.tests += 1
        found = _DIRECTIVE.search(rest)
        name = rest[: found.start()] if found else rest
        name = re.sub(r"\\([\\#])", r"\1", name.strip().removeprefix("-").strip().rstrip("{").strip())
        name = name or f"test {number or level.tests}"
        told, words = (Told.RED, "not ok") if red else (Told.GREEN, "")
        if found and found[1].upper() == "SKIP":
            told, words = Told.SKIPPED, found[2].strip()
        elif found and red:
            told, words = Told.SKIPPED, f"TODO {found[2]}".strip()
        children = [c for deeper in self.levels[depth + 1 :] for c in deeper.cases]
        del self.levels[depth + 1 :]
        level.cases += [
            Case(test=f"{name} / {c.test}", told=c.told, words=c.words, took_ns=c.took_ns) for c in _numbered(children)
        ]
        # A parent says what its children say, unless it fails by itself.
        if not children or (told is Told.RED and all(c.told is not Told.RED for c in children)):
            level.cases.append(Case(test=name, told=told, words=words))

    def _explain(self, bare: str) -> None:
        """A block of YAML belongs to the last test: its message are the test's words."""
        if bare == "...":
            self._in_yaml = False
            return
        level = next((x for x in reversed(self.levels) if x.cases), None)
        message = _MESSAGE.match(bare)
        if message and level is not None and level.cases[-1].told is Told.RED and level.cases[-1].words == "not ok":
            last = level.cases[-1]
            words = message[1].strip().strip("'\"")[:_WORDS]
            level.cases[-1] = Case(test=last.test, told=last.told, words=words)


def _numbered(cases: list[Case]) -> tuple[Case, ...]:
    """Several of the same name are told apart by their order."""
    seen: dict[str, int] = {}
    found: dict[str, Case] = {}
    for case in cases:
        number = seen[case.test] = seen.get(case.test, 0) + 1
        name = case.test if number == 1 else f"{case.test} ({number})"
        while name in found:
            number = seen[case.test] = number + 1
            name = f"{case.test} ({number})"
        found[name] = Case(test=name, told=case.told, words=case.words, took_ns=case.took_ns)
    return tuple(found.values())
