"""The JSON Schemas for editors agree with the compiler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from seatrial.core.plan import Plan
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import json_schema, stack_schema, variant_schema

WRONG, RIGHT = Path(__file__).parent / "wrong", Path(__file__).parent / "right"
# What a schema of forms cannot know: names, types of expressions, order; or YAML itself.
SEEN_BY_A_SCHEMA = {
    "unknown-key", "unknown-key-of-a-step", "unknown-verb", "duration-without-unit", "unknown-unit", "wrong-unit", "too-small",
    "wrong-type", "not-one-of-the-words", "named-conditions-in-a-step", "defaults", "unknown-version",
    "nothing-there", "not-a-mapping", "steps-as-a-mapping", "two-verbs", "unknown-fault", "stack-unknown-kind", "stack-unknown-key",
    "stack-ready", "variant-of-nothing", "steady-with-what-has-no-place", "all-at-once", "identities", "secrets", "workload-model",
    "workload-without-rate", "workload-speaks", "requirement-refined-wrongly",
}  # fmt: skip


def errors(schema: dict[str, Any], text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(yaml.safe_load(text))]


def schema_of(name: str, vocabulary: Vocabulary) -> dict[str, Any]:
    kind = name.partition("-")[0]
    make = {"stack": stack_schema, "variant": variant_schema}.get(kind, json_schema)
    return make(vocabulary)


@pytest.mark.parametrize("make", [json_schema, stack_schema, variant_schema])
def test_it_is_a_schema(vocabulary: Vocabulary, make: Any) -> None:
    schema = make(vocabulary)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", ["shop", "stack", "variant"])
def test_it_accepts_what_the_compiler_accepts(vocabulary: Vocabulary, name: str) -> None:
    assert errors(schema_of(name, vocabulary), (RIGHT / f"{name}.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "what",
    ["steps: [{http: GET /}]", "tasks: {look: {steps: [{http: GET /}]}}", "kinds: {all: {steps: [{http: GET /}]}}"],
)
@pytest.mark.parametrize(
    "judging",
    ["users: 5, abort: errors > 10%", "users: 5, baseline: last-good", "search: {from: 1/s, to: 9/s, while: p95 < 1s}"],
)
def test_what_decides_about_a_load_goes_with_users(
    vocabulary: Vocabulary, plan_of: Callable[..., Plan], header: str, what: str, judging: str
) -> None:
    steps = "scenarios: {one: {steps: [{load: rush}, {http: GET /, at: web}]}}\n"
    text = f"{header}loads: {{rush: {{at: web, {what}, {judging}}}}}\n{steps}"
    assert plan_of(text).loads["rush"].flows is not None
    assert errors(json_schema(vocabulary), text) == []


@pytest.mark.parametrize("name", sorted(SEEN_BY_A_SCHEMA))
def test_it_refuses_wrong_forms(vocabulary: Vocabulary, name: str) -> None:
    text = (WRONG / f"{name}.yaml").read_text(encoding="utf-8")
    assert errors(schema_of(name, vocabulary), text)


def test_it_has_what_an_editor_shows(vocabulary: Vocabulary) -> None:
    schema = json_schema(vocabulary)
    step = schema["$defs"]["step-http"]
    assert step["properties"]["http"]["description"] == "A request."
    assert step["properties"]["http"]["examples"] == ["GET /healthz"]
    assert "30s" in step["properties"]["within"]["examples"]
    assert "Units: ns us ms s m h d." in step["properties"]["within"]["description"]
    assert step["properties"]["severity"]["enum"] == ["blocking", "non-blocking", "informational"]
    slow = schema["$defs"]["fault-slow"]
    assert slow["required"] == ["fault", "by", "at"]
    described = [name for name, part in schema["properties"].items() if not part.get("description")]
    assert described == ["defaults"]
