"""Stack files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.shapes import TEXT, Field, list_of
from seatrial.core.stack import StackPlan
from seatrial.core.templates import Template
from seatrial.core.vocabulary import ServiceKind, Vocabulary
from seatrial.spec import compile_stack, compile_stack_text

STACK = (Path(__file__).parent / "right" / "stack.yaml").read_text(encoding="utf-8")


@pytest.fixture
def stack(write: Callable[..., Path], vocabulary: Vocabulary) -> StackPlan:
    return compile_stack(write(STACK, name="stack.yaml"), vocabulary, environment={"HOME": "/home/shop"})


def test_a_service_with_a_command_is_a_process(stack: StackPlan) -> None:
    assert {name: s.kind for name, s in stack.services.items()} == {
        "db": "postgres", "elector": "process", "web": "process", "cache": "process", "proxy": "proxy",
    }  # fmt: skip
    assert stack.services["cache"].arguments["command"] == ("cache", "--fast")
    assert (stack.platform, stack.allow) == ("local", ("login.example",))


def test_templates_arguments_and_after_make_the_order(stack: StackPlan) -> None:
    assert {name: set(s.after) for name, s in stack.services.items()} == {
        "db": {"elector"}, "elector": set(), "web": {"cache", "db"}, "cache": set(), "proxy": {"web", "db-etcd"},
    }  # fmt: skip


def test_secrets_stay_names_and_the_environment_is_put_in(stack: StackPlan) -> None:
    environment = stack.services["web"].arguments["environment"]
    assert isinstance(environment, dict)
    assert isinstance(environment["KEY"], Template)
    assert environment["KEY"].secrets == ("KEY",)
    assert (environment["HOME"], environment["DEBUG"]) == ("/home/shop", "no")


def test_checks_are_at_the_instance(stack: StackPlan) -> None:
    web = stack.services["web"]
    assert web.ready is not None
    assert (web.ready.call.at, str(web.ready.expect), web.ready.within_ns) == (None, "status < 400", 20_000_000_000)
    assert str(web.roles["leader"].expect) == "json.leader == true"


def test_a_stack_from_python(vocabulary: Vocabulary, tmp_path: Path) -> None:
    found = compile_stack_text({"db": {"kind": "postgres", "nodes": 2}}, vocabulary, directory=tmp_path, environment={})
    assert found.services["db"].arguments["nodes"] == 2
    with pytest.raises(UsageError, match="unknown kind"):
        compile_stack_text({"db": {"kind": "postgre"}}, vocabulary, directory=tmp_path, environment={})


@pytest.mark.parametrize(
    "text", ["", "services:", "services: {}", "- a", "services: [a]", "services: {'a b': {command: x}}"]
)
def test_a_stack_without_services_is_refused(write: Callable[..., Path], vocabulary: Vocabulary, text: str) -> None:
    with pytest.raises(UsageError):
        compile_stack(write(text, name="stack.yaml"), vocabulary, environment={})


@pytest.mark.parametrize(("allow", "problems"), [("[shop.example]", 0), ("[]", 1)])
def test_a_service_that_runs_elsewhere_must_be_allowed(
    write: Callable[..., Path], vocabulary: Vocabulary, allow: str, problems: int
) -> None:
    remote = ServiceKind(
        name="remote", doc="", arguments={"url": Field(shape=list_of(TEXT), required=True)}, expand="tests:none"
    )
    known = replace(vocabulary, kinds={**vocabulary.kinds, "remote": remote})
    path = write(f"services: {{api: {{kind: remote, url: https://shop.example}}}}\nallow: {allow}", name="stack.yaml")
    try:
        compile_stack(path, known, environment={})
        found = 0
    except UsageError as error:
        found = len(error.problems)
    assert found == problems


def test_a_service_may_be_optional_and_so_are_links_to_it(vocabulary: Vocabulary, write: Callable[..., Path]) -> None:
    services = "services: {web: {command: serve, after: [db]}, db: {kind: postgres, optional: true}}\n"
    text = f"{services}links: [web -> db]\nwithout: {{mail: none}}\n"
    found = compile_stack(write(text, name="stack.yaml"), vocabulary, environment={})
    assert {n: s.optional for n, s in found.services.items()} == {"web": False, "db": True, "web -> db": True}
    assert found.without == {"mail": "none"}
