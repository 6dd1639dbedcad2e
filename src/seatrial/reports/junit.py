"""junit.xml: a test suite a scenario, a test case a finding; the ending of the trial is a suite of its own.

INCONCLUSIVE is an `<error>` (a skip would read as green in most viewers), FAIL a `<failure>`. Teardown (residue, healing) is
inside, so that a pipeline that reads nothing else still sees it.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from ..core.results import Finding
from ..core.verdicts import Verdict
from .model import TrialModel
from .proofs import WORDS


def write_junit(model: TrialModel, path: Path) -> None:
    """Write the file; a trial without an end gets an error that says so."""
    root = ET.Element("testsuites", name=model.started.name if model.started else "seatrial")
    suites: dict[str, list[Finding]] = {}
    for finding in model.findings.values():
        suites.setdefault(finding.scenario, []).append(finding)
    for scenario, findings in suites.items():
        root.append(_suite(scenario, findings))
    if model.suite is not None:
        root.append(_tests(model))
    problems = [f"{f.id} was not healed" for f in model.faults.values() if f.healed is False]
    if model.ended is None:
        problems.append("the trial has no end: it was killed, or still runs")
    if problems:
        suite = ET.SubElement(root, "testsuite", name="teardown", tests="1", failures="0", errors="1")
        case = ET.SubElement(suite, "testcase", name="teardown", classname="teardown")
        ET.SubElement(case, "error", message="; ".join(problems))
    _total(root)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(scenario: str, findings: list[Finding]) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        name=scenario,
        tests=str(len(findings)),
        failures=str(sum(f.verdict is Verdict.FAIL for f in findings)),
        errors=str(sum(f.verdict is Verdict.INCONCLUSIVE for f in findings)),
        time=f"{sum(f.ended_ns - f.began_ns for f in findings) / 1e9:.3f}",
    )
    for finding in findings:
        seconds = f"{(finding.ended_ns - finding.began_ns) / 1e9:.3f}"
        case = ET.SubElement(suite, "testcase", name=finding.id, classname=scenario, time=seconds)
        waived = f"\nwaived {finding.waived}" if finding.waived else ""
        text = f"{finding.claim}\nmeasured: {finding.measured}\nbound: {finding.bound}\ncovers: {', '.join(finding.covers)}{waived}"
        if finding.verdict is Verdict.FAIL:
            ET.SubElement(case, "failure", message=_clean(finding.reason or finding.measured)).text = _clean(text)
        elif finding.verdict is Verdict.INCONCLUSIVE:
            ET.SubElement(case, "error", type="inconclusive", message=_clean(finding.reason)).text = _clean(text)
        else:
            ET.SubElement(case, "system-out").text = _clean(text)
    return suite


def _tests(model: TrialModel) -> ET.Element:
    """Of a suite of tests that was asked: one that is blind fails here, where it passed by itself."""
    words = [WORDS.get(p.outcome, "INCONCLUSIVE") for p in model.proofs.values()]
    suite = ET.Element("testsuite", name="prove", tests=str(len(words)))
    for name, word in (("failures", "FAIL"), ("errors", "INCONCLUSIVE")):
        suite.set(name, str(words.count(word)))
    for proof, word in zip(model.proofs.values(), words, strict=True):
        case = ET.SubElement(suite, "testcase", name=proof.finding, classname="prove")
        if word != "PASS":
            ET.SubElement(
                case, "failure" if word == "FAIL" else "error", message=_clean(f"{proof.outcome}: {proof.why}")
            )
        else:
            ET.SubElement(case, "system-out").text = _clean(f"red in {', '.join(proof.by)}")
    return suite


def _total(root: ET.Element) -> None:
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(s.get(name, "0")) for s in root)))


def _clean(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(c if c in "\t\n" or ord(c) >= 32 else "?" for c in text)
