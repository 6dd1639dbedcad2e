"""The documentation and the examples compile, with the real vocabulary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from seatrial.api.vocabulary import vocabulary
from seatrial.core.errors import UsageError
from seatrial.engine.ledger import planned_findings
from seatrial.platforms.compose.config import parse
from seatrial.platforms.compose.reading import known
from seatrial.spec import compile_spec, compile_stack, json_schema, load_variant, stack_schema, variant_schema
from seatrial.spec.compose import SERVICE
from seatrial.spec.coverage import finding_ids

ROOT = Path(__file__).parents[3]
DOC = ROOT / "docs" / "spec.md"
EXAMPLES = sorted((ROOT / "examples").glob("*/seatrial.yaml"))
VARIANTS = sorted((ROOT / "examples").glob("*/variants/*.yaml"))
DRILLS = sorted((ROOT / "examples").glob("*/drills/*.yaml"))
FENCE = re.compile(r"^```yaml (?P<kind>[\w-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
AROUND = """\
seatrial: 1
stack: stack.yaml
values: {item: ring}
"""
STORES = (
    "stack: {services: {monolith: {kind: postgres}, listings-db: {kind: postgres}, web: {command: x, ports: auto}}}"
)


class Yaml12(yaml.SafeLoader):
    """In which `on` is text, as in the language."""


BOOLEAN = "tag:yaml.org,2002:bool"
Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != BOOLEAN or first in "tTfF"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def fences() -> Iterator[tuple[str, str]]:
    for match in FENCE.finditer(DOC.read_text(encoding="utf-8")):
        yield match["kind"], match["text"]


def indented(text: str) -> str:
    return "".join(f"    {line}" for line in text.splitlines(keepends=True))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with every example of the documentation as a file that can be compiled."""
    monkeypatch.chdir(tmp_path)
    parts = dict(fences())
    probe = "scenarios: {up: {covers: [JS-33], steps: [{http: GET /, at: web}]}}\n"
    texts = {
        "stack.yaml": parts["stack"],
        "variant.yaml": parts["variant"],
        "spec.yaml": parts["spec"],
        "steps.yaml": f"{AROUND}requirements: {{JS-33: isolation}}\nscenarios:\n  up:\n    steps:\n{indented(parts['steps'])}",
        "compare.yaml": f"{AROUND.replace('stack: stack.yaml', STORES)}identities: {{owner: {{bearer: none}}}}\n"
        f"scenarios:\n  up:\n    steps:\n{indented(parts['compare'])}",
        "links.yaml": parts["links"],
        "faults.yaml": "seatrial: 1\nstack: links.yaml\nscenarios:\n  up:\n    steps:\n" + indented(parts["faults"]),
        "health.yaml": "seatrial: 1\nstack: stack.yaml\nrequirements: {JS-08: fails over, JS-33: isolation}\n"
        f"workloads: {{visits: {{http: GET /, at: web, rate: 5/s}}}}\n{parts['health']}",
        "stack-steps.yaml": f"{AROUND}scenarios:\n  up:\n    steps:\n{indented(parts['stack-steps'])}",
        "networks.yaml": "seatrial: 1\nstack:\n  services:\n    web: {command: x, replicas: 2}\n    postgres: {kind: postgres}\n"
        "    redis: {kind: redis}\nscenarios:\n  up:\n    steps:\n" + indented(parts["networks"]),
        "resources.yaml": "seatrial: 1\nstack: links.yaml\nscenarios:\n  up:\n    deadline: 5m\n    steps:\n"
        + indented(parts["resources"]),
        "foreach.yaml": "seatrial: 1\nstack: links.yaml\nscenarios:\n" + indented(parts["foreach"]),
        "converge.yaml": "seatrial: 1\nstack: links.yaml\nscenarios:\n  up:\n    steps:\n"
        + indented(parts["converge"]),
        "tries.yaml": "seatrial: 1\nstack: links.yaml\nscenarios:\n  up:\n    deadline: 5m\n    steps:\n"
        + indented(parts["tries"]),
        "splits.yaml": f"{AROUND}scenarios:\n  up:\n    steps:\n{indented(parts['splits'])}",
        "tokens.yaml": f"{AROUND}identities:\n{indented(parts['tokens'])}"
        "scenarios: {up: {steps: [{http: GET /, at: web, as: expired, expect: status == 401}]}}\n",
        "workloads.yaml": f"{AROUND}workloads:\n{indented(parts['workloads'])}throughout: [visits, stock]\n"
        "scenarios: {up: {steps: [{http: GET /, at: web}]}}\n",
        "loads.yaml": f"{AROUND}loads:\n{indented(parts['loads'])}"
        "scenarios:\n  up:\n    throughout: [shoppers]\n    steps: [{load: crowd}]\n    expect: {fast: crowd.tag.sale.p95 < 1s}\n",
        "users.yaml": f"{AROUND}loads:\n{indented(parts['users'])}"
        "scenarios: {up: {steps: [{load: people}], expect: {fast: people.tag.item.p95 < 1s}}}\n",
        "products.csv": "id,name\n1,ring\n",
        "tools.yaml": f"{AROUND}loads:\n{indented(parts['tools'])}"
        "scenarios:\n  up:\n    throughout: [k6s]\n    steps: [{load: old}]\n"
        '    expect:\n      fast: old.tag["GET /"].p95 < 1s\n      own: old.own == 1\n',
        "locustfile.py": "",
        "script.js": "",
        "judging.yaml": f"{AROUND}loads:\n{indented(parts['judging'])}"
        "scenarios:\n  up:\n    deadline: 9m\n    steps: [{load: rush}, {load: shop}]\n"
        "    expect: {slower: rush.change.p95 < 1.2, enough: shop.capacity > 300/s}\n",
        "requirements.yaml": f"{AROUND}requirements:\n{indented(parts['requirements'])}{probe}",
        "requirements.md": "- JS-14 ingress\n- JS-15 metrics\n- JS-33 isolation\n- JS-41 a thousand users\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_compose_file_of_the_documentation_is_one() -> None:
    file = known(parse(dict(fences())["compose"]))
    assert {n: (s.kind, s.count, s.after) for n, s in file.services.items()} == {
        "postgres": ("postgres", 2, ()),
        "web": ("process", 2, ("postgres",)),
    }
    assert file.jobs == ("migrate",)
    keys = {key for service in file.services.values() for key in service.settings}
    assert keys <= SERVICE.keys()


def test_the_documentation_has_an_example_of_each_part() -> None:
    assert [kind for kind, _ in fences()] == [
        "spec",
        "steps",
        "compare",
        "links",
        "faults",
        "tries",
        "networks",
        "resources",
        "splits",
        "tokens",
        "converge",
        "foreach",
        "health",
        "stack-steps",
        "workloads",
        "loads",
        "users",
        "tools",
        "judging",
        "stack",
        "compose",
        "requirements",
        "variant",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "spec",
        "steps",
        "compare",
        "faults",
        "health",
        "stack-steps",
        "tries",
        "networks",
        "resources",
        "splits",
        "tokens",
        "workloads",
        "loads",
        "users",
        "tools",
        "judging",
        "requirements",
    ],
)
def test_the_documentation_compiles(written: Path, name: str) -> None:
    assert compile_spec(Path(f"{name}.yaml"), vocabulary(), environment={}).scenarios
    text = (written / f"{name}.yaml").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json_schema(vocabulary())).validate(yaml.load(text, Loader=Yaml12))


def test_the_documented_stack_and_variant_compile(written: Path) -> None:
    assert compile_stack(Path("stack.yaml"), vocabulary(), environment={}).services
    over = Path("variant.yaml")
    assert load_variant(over).red
    plan = compile_spec(Path("spec.yaml"), vocabulary(), environment={}, overlays=[over])
    assert plan.stack.services["postgres"].arguments["nodes"] == 1


def test_every_key_of_the_top_level_and_of_a_scenario_is_documented() -> None:
    text = DOC.read_text(encoding="utf-8")
    schema = json_schema(vocabulary())
    scenario = schema["properties"]["scenarios"]["additionalProperties"]["properties"]
    for key in [*schema["properties"], *scenario, *schema["$defs"]["fault-kill"]["properties"]]:
        assert f"`{key}`" in text or f"`{key}:" in text, key


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
def test_examples_compile_without_a_warning(path: Path) -> None:
    plan = compile_spec(path, vocabulary(), environment=os.environ)
    assert plan.warnings == ()
    jsonschema.Draft202012Validator(json_schema(vocabulary())).validate(
        yaml.safe_load(path.read_text(encoding="utf-8"))
    )
    stack = path.with_name("stack.yaml")
    jsonschema.Draft202012Validator(stack_schema(vocabulary())).validate(
        yaml.safe_load(stack.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("path", VARIANTS, ids=lambda p: p.stem)
def test_variants_of_the_examples_name_findings_that_there_are(path: Path) -> None:
    variant = load_variant(path)
    plan = compile_spec(path.parents[1] / "seatrial.yaml", vocabulary(), environment=os.environ, overlays=[path])
    assert set(variant.red) <= set(finding_ids(plan))
    jsonschema.Draft202012Validator(variant_schema(vocabulary())).validate(
        yaml.safe_load(path.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("path", [d for d in DRILLS if d.stem != "production"], ids=lambda p: p.stem)
def test_drills_compile(path: Path) -> None:
    assert compile_spec(path, vocabulary(), environment=os.environ).scenarios


def test_the_drill_against_production_is_refused() -> None:
    (path,) = (d for d in DRILLS if d.stem == "production")
    with pytest.raises(UsageError, match="not allowed"):
        compile_spec(path, vocabulary(), environment=os.environ)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
def test_findings_have_the_ids_that_the_engine_gives_them(path: Path) -> None:
    plan = compile_spec(path, vocabulary(), environment=os.environ)
    assert {f.id for f in planned_findings(plan, plan.scenarios)} == set(finding_ids(plan))
