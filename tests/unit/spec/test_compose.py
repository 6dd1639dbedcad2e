"""A stack of Compose in a spec. Its reader here puts variables in and does nothing else: what Compose itself does is tried with Compose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary as everything
from seatrial.core.compose import ComposeFile, ComposeProject
from seatrial.core.errors import UsageError
from seatrial.core.plan import Plan, ProbeStep
from seatrial.core.templates import Template
from seatrial.core.vocabulary import Vocabulary
from seatrial.platforms.compose.config import parse
from seatrial.platforms.compose.reading import PLACEHOLDER, known, surroundings
from seatrial.spec import compile_spec, compile_stack

Write = Callable[..., Path]
COMPOSE = """\
name: shop
services:
  pg-1:
    image: postgres:16
    expose: ["5432"]
    x-seatrial: &db
      service: db
      parameters: {password: "${DB_PASSWORD}"}
      variables: {synchronous: DB_SYNC, nodes: {1: {STANDBYS: 0}}}
  pg-2:
    image: postgres:16
    expose: ["5432"]
    deploy: {replicas: "${STANDBYS:-1}"}
    x-seatrial: *db
  cache: {image: "redis:7", expose: ["6379"]}
  cache-sentinel:
    image: redis:7
    deploy: {replicas: 3}
    x-seatrial: {kind: redis, endpoints: {sentinel: {port: 26379, scheme: redis}}}
  migrate: {image: shop, depends_on: {pg-1: {condition: service_healthy}}}
  web:
    image: shop
    deploy: {replicas: 2}
    depends_on: {migrate: {condition: service_completed_successfully}, cache: {condition: service_started}}
    ports: [{target: 8000}]
    x-seatrial:
      ready: {http: GET /readyz, expect: status == 200}
      roles: {leader: {http: GET /role, expect: json.leader == true}}
"""
SPEC = """\
seatrial: 1
stack: {compose: compose.yaml}
secrets: {DB_PASSWORD: {generate: 20}}
scenarios:
  up:
    steps:
      - {http: GET /, at: web/leader, id: leader}
      - {sql: select 1, at: db/primary, expect: len(rows) == 1, id: primary}
      - {redis: PING, at: cache-sentinel#3, expect: reply == "PONG", id: sentinel}
      - {command: "echo {{ db.dsn }} {{ web.url }}", id: exports}
"""


def read(project: ComposeProject, environment: Mapping[str, str]) -> ComposeFile:
    """core.compose.ReadsCompose for files that are as Compose would print them."""
    given = surroundings(project, environment, dict.fromkeys(project.secrets, PLACEHOLDER))

    def value(match: re.Match[str]) -> str:
        return given.get(match[1], match[2] or "")

    text = project.files[0].read_text("utf-8")
    if "imge:" in text:
        raise UsageError.simple(f"docker compose does not take {project.files[0]}: imge is not allowed")
    return known(parse(re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)))


@pytest.fixture
def words() -> Vocabulary:
    return replace(everything(), compose=f"{__name__}:read")


@pytest.fixture
def plan_of(write: Write, words: Vocabulary) -> Callable[..., Plan]:
    def plan_of(spec: str = SPEC, compose: str = COMPOSE, **options: object) -> Plan:
        write(compose, name="compose.yaml")
        return compile_spec(write(spec), words, environment={}, **options)  # type: ignore[arg-type]

    return plan_of


def problems(plan_of: Callable[..., Plan], *given: str, **options: object) -> list[str]:
    with pytest.raises(UsageError) as error:
        plan_of(*given, **options)
    return [str(p) for p in error.value.problems]


def test_services_kinds_roles_and_order_are_those_of_the_compose_file(plan_of):
    plan = plan_of()
    stack = plan.stack
    assert (stack.platform, list(stack.services)) == ("compose", ["db", "cache", "cache-sentinel", "web"])
    assert {n: (s.kind, s.after) for n, s in stack.services.items()} == {
        "db": ("postgres", ()),
        "cache": ("redis", ()),
        "cache-sentinel": ("redis", ()),
        "web": ("process", ("db", "cache")),
    }
    web = stack.services["web"]
    assert web.ready is not None
    assert web.ready.call.what == "GET /readyz"
    assert list(web.roles) == ["leader"]
    assert isinstance(plan.scenarios[0].steps[0], ProbeStep)
    assert stack.compose is not None
    assert stack.compose.secrets == ("DB_PASSWORD",)
    assert Path("compose.yaml") in plan.files


def test_a_stack_file_can_be_named_as_one_and_be_replaced_by_one(plan_of, write, words):
    stack = "services: {web: {command: serve, ports: auto}}"
    spec = "seatrial: 1\nstack: FILE\nscenarios: {up: {steps: [{http: GET /, at: web}]}}\n"
    write(stack, name="stack.yaml")
    assert plan_of(spec.replace("FILE", "compose.yaml")).stack.platform == "compose"
    plan = plan_of(spec.replace("FILE", "stack.yaml"), stack_override=Path("compose.yaml"))
    assert (plan.stack.platform, plan.stack_file) == ("compose", Path("compose.yaml"))
    assert plan_of(spec.replace("FILE", "compose.yaml"), stack_override=Path("stack.yaml")).stack.platform == "local"
    assert compile_stack(Path("compose.yaml"), words, environment={}).platform == "compose"


def test_what_the_spec_says_of_its_project_holds_for_another_file(plan_of, write):
    spec = SPEC.replace(
        "{compose: compose.yaml}", "{compose: other.yaml, project: mine, adopt: true, allow: [db.test]}"
    )
    project = plan_of(spec, stack_override=Path("compose.yaml")).stack
    assert project.allow == ("db.test",)
    assert project.compose is not None
    assert (project.compose.name, project.compose.adopt, project.compose.files) == (
        "mine",
        True,
        (Path("compose.yaml"),),
    )


def test_a_variant_is_laid_over_environment_command_replicas_and_variables(plan_of, write):
    variant = """\
variant: wrong
title: all of it
red: {up/leader: nobody}
stack:
  services:
    web: {environment: {MODE: "{{ stack.directory }}/{{ instance.port.http }}"}, command: python -m wrong, replicas: 4, restart: never}
    db: {synchronous: false, nodes: 1, etcd: null}
"""
    path = write(variant, name="variants/wrong.yaml")
    stack = plan_of(overlays=[path]).stack
    assert stack.compose is not None
    assert stack.compose.variables == {"DB_SYNC": False, "STANDBYS": 0}
    web = stack.compose.overlay["web"]
    assert (web["command"], web["replicas"], web["restart"]) == ("python -m wrong", 4, "never")
    assert isinstance(web["environment"]["MODE"], Template)


def test_a_variant_may_allow_hosts_and_say_nothing_else_of_a_project_as_a_whole(plan_of, write):
    head = "variant: v\ntitle: t\nred: {up/leader: x}\n"
    path = write(f"{head}stack: {{allow: [other.test]}}\n", name="variants/v.yaml")
    spec = SPEC.replace("{compose: compose.yaml}", "{compose: compose.yaml, allow: [db.test], allow-faults: [db.test]}")
    for stack in (plan_of(spec, overlays=[path]).stack, plan_of(overlays=[path]).stack):
        assert stack.allow == ("other.test",)
    assert plan_of(spec, overlays=[path]).stack.allow_faults == ("db.test",)
    path = write(f"{head}stack: {{links: [web -> db]}}\n", name="variants/v.yaml")
    [shown] = problems(plan_of, overlays=[path])
    assert shown.splitlines()[0] == 'variants/v.yaml:4:9: unknown key "links" in what is laid over a compose file'


def test_a_word_that_stands_for_no_variable_is_shown_at_its_place(plan_of, write):
    variant = """\
variant: v
title: t
red: {up/leader: x}
stack:
  services:
    cache: {persistence: none}
    db: {nodes: 5}
    wob: {}
"""
    path = write(variant, name="variants/v.yaml")
    shown = problems(plan_of, overlays=[path])
    assert [p.splitlines()[0] for p in shown] == [
        'variants/v.yaml:6:13: compose.yaml has no "persistence" of service cache',
        'variants/v.yaml:7:17: nodes: "5" stands for no variables',
        'variants/v.yaml:8:5: unknown service "wob"',
    ]
    hints = ["x-seatrial: {variables: {persistence: NAME}}, and ${NAME}", "values that do: 1", 'Did you mean "web"?']
    assert all(hint in p for hint, p in zip(hints, shown, strict=True))


def test_mistakes_in_x_seatrial_have_their_place_in_the_compose_file(plan_of):
    wrong = COMPOSE.replace("GET /readyz", "get /readyz").replace("roles:", "rolls:")
    shown = problems(plan_of, SPEC.replace("web/leader", "web"), wrong)
    assert [p.splitlines()[0] for p in shown] == [
        'compose.yaml:27:21: unknown method "get"',
        'compose.yaml:28:7: unknown key "rolls" in x-seatrial of service web',
    ]
    assert 'Did you mean "roles"?' in shown[1]
    kind = COMPOSE.replace("{kind: redis,", "{kind: reddis,")
    assert 'unknown kind "reddis" of service cache-sentinel' in problems(plan_of, SPEC, kind)[0]


def test_composes_own_words_are_at_the_spec(plan_of):
    [shown] = [p for p in problems(plan_of, SPEC, COMPOSE.replace("image: shop", "imge: shop")) if "compose" in p]
    assert shown.startswith("seatrial.yaml:2:8: docker compose does not take compose.yaml: imge is not allowed")


def test_keys_of_the_stack_that_are_none_and_files_that_are_not_there(plan_of):
    shown = problems(plan_of, SPEC.replace("{compose: compose.yaml}", "{compose: [compose.yaml, more.yaml]}"))
    assert shown[0].startswith("seatrial.yaml:2:33: there is no file more.yaml")
    shown = problems(plan_of, SPEC.replace("{compose: compose.yaml}", "{compose: compose.yaml, profile: all}"))
    assert 'unknown key "profile" in a stack of Compose' in shown[0]
    assert 'Did you mean "profiles"?' in shown[0]


def test_targets_are_held_to_the_services(plan_of):
    shown = problems(plan_of, SPEC.replace("cache-sentinel#3", "cache-sentinel#4").replace("db/primary", "pg-1"))
    assert any('"pg-1"' in p for p in shown)
    assert any("cache-sentinel" in p and "3" in p for p in shown)


def test_a_service_that_the_project_has_not_can_be_spoken_of(plan_of):
    compose = COMPOSE + "x-seatrial: {without: {search: no image of it is built here}}\n"
    spec = "seatrial: 1\nstack: {compose: compose.yaml, without: {mail: nobody sends any}}\nsecrets: {DB_PASSWORD: {generate: 20}}\n"
    steps = "scenarios: {x: {steps: [{http: GET /, at: search}, {http: GET /, at: mail/primary}]}}\n"
    plan = plan_of(spec + steps, compose)
    assert plan.stack.without == {"search": "no image of it is built here", "mail": "nobody sends any"}
    (said,) = problems(plan_of, spec.replace("mail: nobody", "web: nobody") + steps.replace("mail/", "web/"), compose)[
        :1
    ]
    assert "web is a service of this stack" in said
