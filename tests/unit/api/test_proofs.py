"""What was proven is remembered as long as the check, the stack and what proved it are as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.proofs import ALL, Memory, fingerprints, proven
from seatrial.api.vocabulary import vocabulary
from seatrial.core.plan import Plan
from seatrial.core.proofs import Proof, Proven
from seatrial.spec import compile_spec

SPEC = """
seatrial: 1
name: shop
stack: {services: {web: {command: "serve {{ instance.port.http }}", directory: app, ports: auto}}}
workloads:
  sales: {http: POST /sales, at: web, rate: 20/s, timeout: 5s}
  others: {http: POST /others, at: web, rate: 20/s, timeout: 5s}
throughout: [sales, others]
expect: {all-there: sales.ok > 10}
scenarios:
  a:
    steps: [{http: GET /a, at: web, expect: status == 200, id: a}, {http: GET /b, at: web, expect: status == 200, id: b}]
    expect: {served: sales.failed == 0}
  c:
    steps: [{http: GET /c, at: web, expect: status == 200, id: c}]
    expect: {served: others.failed == 0}
"""


def lay_out(directory: Path, text: str = SPEC) -> Plan:
    (directory / "app").mkdir(exist_ok=True)
    (directory / "app/app.py").write_text("pass")
    variants = directory / "variants"
    (variants / "wrong").mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        (variants / f"{name}.yaml").write_text(f"variant: {name}")
    (variants / "wrong/code.py").write_text("pass")
    file = directory / "seatrial.yaml"
    file.write_text(text)
    return compile_spec(file, vocabulary(), environment={}, variables={}, overlays=[], stack_override=None)


def prints(plan: Plan, directory: Path) -> dict[str, str]:
    return fingerprints(plan, vocabulary(), directory / "trials")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("GET /a,", "GET /other,", {"a/a", "a/served"}),  # what clients go through is part of what they see
        ("sales.failed == 0", "sales.failed < 2", {"a/served"}),
        ("POST /others", "POST /else", {"c/served"}),
        ("rate: 20/s, timeout: 5s}\n  others", "rate: 30/s, timeout: 5s}\n  others", {"a/served", "trial/all-there"}),
        ("sales.ok > 10", "sales.ok > 20", {"trial/all-there"}),
        (
            "directory: app",
            "directory: app, replicas: 2",
            {"a/a", "a/b", "a/served", "c/c", "c/served", "trial/all-there"},
        ),
        ("name: shop", "name: shop # ", set()),
    ],
)
def test_what_has_changed_has_another_fingerprint_and_nothing_else(
    tmp_path: Path, before: str, after: str, changed: set[str]
) -> None:
    first = prints(lay_out(tmp_path), tmp_path)
    assert before in SPEC
    second = prints(lay_out(tmp_path, SPEC.replace(before, after, 1)), tmp_path)
    assert {i for i in first if first[i] != second[i]} == changed


def remembered(directory: Path, plan: Plan) -> set[str]:
    return set(Memory.of(directory / "trials").known(prints(plan, directory), plan))


def test_what_a_variant_proves_is_proven_as_long_as_that_variant_is_the_same(tmp_path: Path) -> None:
    plan = lay_out(tmp_path)
    variants, known = tmp_path / "variants", prints(plan, tmp_path)
    memory = Memory.of(tmp_path / "trials")
    proofs = [
        Proof(finding="a/a", outcome=Proven.PROVEN, by=("variant one",), fingerprint=known["a/a"]),
        Proof(finding="a/b", outcome=Proven.PROVEN, by=("stop web", "variant one"), fingerprint=known["a/b"]),
        Proof(finding="c/c", outcome=Proven.NOT_PROVABLE, why="nothing is known", fingerprint=known["c/c"]),
        Proof(finding="c/served", outcome=Proven.NOT_PROVABLE, why="it was not reached", fingerprint=known["c/served"]),
        Proof(finding="a/served", outcome=Proven.BLIND, fingerprint=known["a/served"]),
    ]
    memory.add(proofs, plan, {"one": variants / "one.yaml"}, {"c/c"})
    memory.save()
    assert remembered(tmp_path, plan) == {"a/a", "a/b", "c/c"}
    # Whoever asks whether it is proven is not told so of what nothing could prove.
    assert {i for i, by in proven(plan, tmp_path / "trials")[1].items() if by} == {"a/a", "a/b"}

    (variants / "two.yaml").write_text("variant: two # another")
    assert remembered(tmp_path, plan) == {"a/a", "a/b"}, "of what nothing could prove another variant may be"
    (variants / "one.yaml").write_text("variant: one # another")
    assert remembered(tmp_path, plan) == {"a/b"}, "what a window has shown as well needs no variant"
    lay_out(tmp_path)
    assert remembered(tmp_path, plan) == {"a/a", "a/b", "c/c"}
    (variants / "wrong/code.py").write_text("raise SystemExit")
    assert remembered(tmp_path, plan) == {"a/b"}
    assert ALL not in memory.proofs[known["a/a"]]["rests_on"]


def test_what_is_open_and_lasts_is_asked_again_when_other_services_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, gone = lay_out(tmp_path), [("search", "it is not installed")]
    known = prints(plan, tmp_path)
    monkeypatch.setattr("seatrial.api.proofs.missing", lambda _: iter(gone))
    memory = Memory.of(tmp_path / "trials")
    outcomes = dict(zip(("a/a", "a/b", "c/c"), Proven, strict=False))
    proofs = [Proof(finding=i, outcome=o, by=("stop web",), fingerprint=known[i]) for i, o in outcomes.items()]
    memory.add(proofs, plan, {}, ["a/b", "c/c"])
    memory.save()
    assert (outcomes["a/b"], outcomes["c/c"]) == (Proven.BLIND, Proven.WRONG_REASON)
    assert remembered(tmp_path, plan) == {"a/a", "a/b", "c/c"}
    gone.clear()
    assert remembered(tmp_path, plan) == {"a/a"}
