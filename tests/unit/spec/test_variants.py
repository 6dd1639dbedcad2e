"""Variants are overlays that say what must turn red."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.plan import ProbeStep, RedEvidence
from seatrial.core.verdicts import Verdict
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import compile_spec, load_variant

Write = Callable[..., Path]
SPEC = """\
seatrial: 1
stack: stack.yaml
scenarios:
  up: {steps: [{http: GET /, at: web, id: first}]}
  down: {needs: [up], steps: [{http: GET /, at: web, id: check}]}
"""
STACK = """\
services:
  web: {command: serve, replicas: 2, environment: {MODE: safe, LEVEL: info}}
  db: {kind: postgres, nodes: 2, ttl: 20s}
"""
VARIANT = (Path(__file__).parent / "right" / "variant.yaml").read_text(encoding="utf-8")


@pytest.fixture
def variant(write: Write) -> Path:
    write(STACK, name="stack.yaml")
    write(SPEC)
    return write(VARIANT, name="variants/no-standby.yaml")


def test_what_a_variant_says(variant: Path) -> None:
    found = load_variant(variant)
    assert (found.name, found.title, found.why, found.only) == (
        "no-standby", "there is no standby", "nobody to fail over to", ("down",),
    )  # fmt: skip
    assert found.red == {
        "down/other": RedEvidence(evidence="refused"),
        "up/first": RedEvidence(evidence="503", verdict=Verdict.INCONCLUSIVE),
        "steady/stack": RedEvidence(evidence=""),
    }


def test_overlays_are_laid_over_spec_and_stack(variant: Path, vocabulary: Vocabulary) -> None:
    plain = compile_spec(Path("seatrial.yaml"), vocabulary, environment={})
    plan = compile_spec(Path("seatrial.yaml"), vocabulary, environment={}, overlays=[variant])
    services = plan.stack.services
    assert services["web"].arguments["environment"] == {"MODE": "unsafe", "LEVEL": "info"}
    assert (services["web"].arguments["replicas"], services["db"].arguments["nodes"]) == (2, 1)
    assert "ttl" not in services["db"].arguments
    assert list(services) == ["web", "db", "extra"]
    (step,) = plan.scenarios[1].steps
    assert isinstance(step, ProbeStep)
    assert (step.id, plan.scenarios[1].deadline_ns) == ("other", 5_000_000_000)
    assert str(step.position).startswith(str(variant))
    assert [s.id for s in plan.scenarios] == ["up", "down"]
    assert plan.digest != plain.digest
    assert plan.files[-2:] == (variant, Path("stack.yaml"))


def test_an_overlay_reaches_a_remote_stack(write: Write, vocabulary: Vocabulary) -> None:
    spec = write(SPEC.replace("stack.yaml", "{remote: {services: {web: 'http://127.0.0.1:1'}}}"))
    over = write(
        "variant: other\ntitle: other\nstack: {remote: {services: {web: 'http://127.0.0.1:2'}}}\nred: {up/first: x}",
        name="v.yaml",
    )
    plan = compile_spec(spec, vocabulary, environment={}, overlays=[over])
    assert plan.stack.services["web"].arguments["url"] == ("http://127.0.0.1:2",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "a variant is a mapping, not a list"),
        ("title: x\nstack: {}\nred: {a: b}", 'a variant needs "variant"'),
        (
            "variant: x\ntitle: x\nstack: {}\nred: {a: {evidence: b, verdict: RED}}",
            '"RED" is not one of the words here',
        ),
        ("variant: x\ntitle: x\nstack: {}\nred: {a: b}\nenvironment: {}", 'unknown key "environment" in a variant'),
    ],
)
def test_a_wrong_variant_is_refused(write: Write, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_variant(write(text, name="v.yaml"))
    assert message in [p.message for p in caught.value.problems]


def test_an_overlay_that_is_no_mapping_is_refused(variant: Path, write: Write, vocabulary: Vocabulary) -> None:
    over = write("variant: x\ntitle: x\nstack: none\nspec: [1]\nred: {up/first: x}", name="v.yaml")
    with pytest.raises(UsageError) as caught:
        compile_spec(Path("seatrial.yaml"), vocabulary, environment={}, overlays=[over])
    assert [str(p.position) for p in caught.value.problems] == ["v.yaml:3:8", "v.yaml:4:7"]
