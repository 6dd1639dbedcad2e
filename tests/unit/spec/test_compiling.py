"""A spec becomes a frozen plan with nothing left to look up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.expressions import Type
from seatrial.core.plan import FaultStep, HealStep, LoadStep, PauseStep, Plan, ProbeStep
from seatrial.core.quantities import NS_PER_S
from seatrial.core.shapes import DURATION, TEXT, Field
from seatrial.core.stack import Target
from seatrial.core.templates import Template
from seatrial.core.verdicts import Severity
from seatrial.core.vocabulary import Verb, Vocabulary
from seatrial.spec import compile_spec

GRPC = Verb(
    name="grpc",
    doc="A call.",
    what=TEXT,
    observes={"code": Type.TEXT},
    run="tests:none",
    arguments={"deadline": Field(shape=DURATION)},
    inside="deadline",
)
PlanOf = Callable[..., Plan]
ProblemsOf = Callable[..., list[str]]

SHOP = (Path(__file__).parent / "right" / "shop.yaml").read_text(encoding="utf-8")


@pytest.fixture
def shop(plan_of: PlanOf, tmp_path: Path) -> Plan:
    return plan_of(SHOP)


def test_scenarios_have_what_they_say(shop: Plan) -> None:
    failover, read, _ = shop.scenarios
    assert (failover.id, failover.title, failover.covers, failover.labels) == (
        "failover",
        "it fails over",
        ("R-2",),
        ("slow",),
    )
    assert (failover.disrupting, read.disrupting) == (True, False)
    assert (failover.deadline_ns, read.deadline_ns) == (180 * NS_PER_S, 120 * NS_PER_S)
    assert read.needs == ("failover",)
    assert [h.id for h in failover.holds] == ["open"]
    assert [str(e.condition) for e in failover.expect] == [
        "sales.recovery < 30s",
        "looks.during.errors < 5% and looks.outage.longest < 30s",
    ]
    assert str(failover.position) == "seatrial.yaml:37:3"


def test_steps_have_what_they_say(shop: Plan) -> None:
    kill, look, heal, pause = shop.scenarios[0].steps
    assert isinstance(kill, FaultStep)
    assert (kill.fault, kill.at.role, kill.hold_ns, kill.within_ns, kill.for_ns) == (
        "kill", "primary", 30 * NS_PER_S, 3 * NS_PER_S, 10 * NS_PER_S,
    )  # fmt: skip
    assert isinstance(look, ProbeStep)
    check = look.check
    assert (check.within_ns, check.for_ns, check.every_ns, check.timeout_ns) == (
        20 * NS_PER_S, 2 * NS_PER_S, NS_PER_S // 10, NS_PER_S,
    )  # fmt: skip
    assert isinstance(heal, HealStep)
    assert heal.fault == kill.id
    assert isinstance(pause, PauseStep)
    assert (pause.duration_ns, pause.reason) == (90 * NS_PER_S, "the lease")
    (last,) = shop.scenarios[0].finally_
    assert isinstance(last, HealStep)
    assert last.fault is None


def test_ids_are_made_of_verb_and_target(shop: Plan) -> None:
    assert [s.id for s in shop.scenarios[0].steps] == [
        "kill-db-primary",
        "sql-select-1-db-primary",
        "heal-kill-db-primary",
        "pause-1m-30s",
    ]
    assert [s.id for s in shop.scenarios[1].steps] == [
        "http-get-tenants-web-2",
        "http-get-web-50",
        "http-get-web",
        "command-make",
    ]


def test_the_same_step_twice_gets_a_number(plan_of: PlanOf, header: str) -> None:
    plan = plan_of(
        header + "scenarios: {up: {steps: [{http: GET /, at: web}, {http: GET /, at: web}, {http: GET /, at: web}]}}"
    )
    assert [s.id for s in plan.scenarios[0].steps] == ["http-get-web", "http-get-web-2", "http-get-web-3"]


def test_targets(shop: Plan) -> None:
    first, share, everywhere, nowhere = shop.scenarios[1].steps
    assert isinstance(first, ProbeStep)
    assert isinstance(share, ProbeStep)
    assert isinstance(everywhere, ProbeStep)
    assert isinstance(nowhere, ProbeStep)
    targets = [s.check.call.at for s in (first, share, everywhere)]
    assert [t and t.ordinal for t in targets] == [2, None, None]
    assert [t and t.share for t in targets] == [None, 0.5, None]
    assert [t and t.everywhere for t in targets] == [False, False, True]
    assert nowhere.check.call.at is None
    assert isinstance(targets[0], Target)
    assert str(targets[0].position) == "seatrial.yaml:59:49"


def test_a_probe_without_expectation_has_the_verbs_own(shop: Plan) -> None:
    step = shop.scenarios[1].steps[1]
    assert isinstance(step, ProbeStep)
    assert str(step.check.expect) == "status < 400"


def test_a_probe_that_only_saves_judges_nothing(plan_of: PlanOf, header: str) -> None:
    plan = plan_of(
        header
        + "setup: [{http: GET /, at: web, save: {x: json.x}}]\nscenarios: {up: {steps: [{http: GET /, at: web}]}}"
    )
    (step,) = plan.setup
    assert isinstance(step, ProbeStep)
    assert step.check.expect is None


def test_severity_comes_from_step_scenario_and_defaults(plan_of: PlanOf, shop: Plan, header: str) -> None:
    assert [s.severity for s in shop.scenarios[0].steps] == [Severity.WARNING] * 4
    assert shop.scenarios[0].expect[0].severity is Severity.WARNING
    assert [s.severity for s in shop.scenarios[1].steps][:2] == [Severity.INFORMATIONAL, Severity.BLOCKING]
    text = "defaults: {severity: informational, within: 5s, timeout: 1s, every: 2s, deadline: 9s}\n"
    plan = plan_of(
        header + text + "scenarios: {up: {steps: [{http: GET /, at: web}, {http: GET /, at: web, within: 1s}]}}"
    )
    (scenario,) = plan.scenarios
    assert scenario.deadline_ns == 9 * NS_PER_S
    first, second = scenario.steps
    assert isinstance(first, ProbeStep)
    assert isinstance(second, ProbeStep)
    assert (first.severity, first.check.within_ns, second.check.within_ns) == (
        Severity.INFORMATIONAL,
        5 * NS_PER_S,
        NS_PER_S,
    )
    assert (first.check.timeout_ns, first.check.every_ns) == (NS_PER_S, 2 * NS_PER_S)


def test_workloads(shop: Plan) -> None:
    sales = shop.workloads["sales"]
    assert str(sales.arrivals["constant"]) == "1/s"
    assert (sales.timeout_ns, sales.in_flight, sales.retries, sales.resend, sales.accept) == (
        2 * NS_PER_S,
        64,
        1,
        0.03,
        (409,),
    )
    assert (sales.model, dict(sales.model_arguments)) == ("counter", {"amount": 2})
    assert sales.initial is not None
    assert str(sales.initial.path) == "json.n"
    assert sales.call.identity == "owner"
    body = sales.call.arguments["json"]
    assert isinstance(body, dict)
    assert isinstance(body["key"], Template)


@pytest.mark.parametrize(
    "arrivals", ["{ramp: {from: 0/s, to: 10/s, over: 1m}}", "{steps: [{rate: 1/s, for: 2s}]}", "{poisson: 3/s}"]
)
def test_arrivals_of_one_kind(plan_of: PlanOf, header: str, arrivals: str) -> None:
    text = (
        f"workloads: {{w: {{http: GET /, at: web, arrivals: {arrivals}}}}}\nthroughout: w\n"
        "scenarios: {up: {steps: [{http: GET /, at: web}]}}"
    )
    assert list(plan_of(header + text).workloads["w"].arrivals) == [arrivals[1:].partition(":")[0]]


def test_loads_have_what_they_say(shop: Plan) -> None:
    looks, crowd = shop.loads["looks"], shop.loads["crowd"]
    assert (looks.for_ns, looks.warm_up_ns, looks.timeout_ns, looks.workers) == (5 * NS_PER_S, NS_PER_S, NS_PER_S, 2)
    assert (looks.users, looks.tags, list(looks.arrivals)) == (0, ("",), ["constant"])
    assert (crowd.users, crowd.think_ns, crowd.arrivals, crowd.for_ns) == (10, NS_PER_S, {}, None)
    assert [(r.weight, r.tag, r.call.identity) for r in crowd.requests] == [(2.0, "home", "owner"), (1.0, "", "owner")]
    (step,) = shop.scenarios[2].steps
    assert isinstance(step, LoadStep)
    assert (step.id, step.load) == ("run", "crowd")
    assert not shop.scenarios[2].disrupting


def test_identities_and_secrets(shop: Plan) -> None:
    owner, guest, robot = shop.identities.values()
    assert owner.login is not None
    assert str(owner.bearer) == "json.token"
    assert (guest.login, dict(guest.headers)) == (None, {})
    assert list(robot.headers) == ["X-Key"]
    sources = {s.name: (s.environment, s.file and s.file.name, s.generate) for s in shop.secrets.values()}
    assert sources == {"KEY": (None, None, 24), "TOKEN": (None, "token.txt", None), "OWNER": ("OWNER", None, None)}


def test_requirements_have_text_severity_and_scope(shop: Plan) -> None:
    found = {r.id: (r.text, r.severity, r.applies) for r in shop.requirements.values()}
    assert found["R-2"] == ("it fails over", Severity.WARNING, ())
    assert found["R-3"] == ("pods", Severity.BLOCKING, ("kubernetes",))


def test_the_plan_is_frozen_and_says_what_it_was_made_of(shop: Plan) -> None:
    assert [f.name for f in shop.files] == ["seatrial.yaml"]
    assert len(shop.digest) == 64
    assert [str(w).splitlines()[0] for w in shop.warnings] == ["seatrial.yaml:48:9: hollow: a fixed pause [pause]"]
    with pytest.raises(FrozenInstanceError):
        shop.name = "other"  # type: ignore[misc]


def test_the_digest_changes_with_any_file(plan_of: PlanOf, write: Callable[..., Path]) -> None:
    text = "seatrial: 1\nstack: stack.yaml\nscenarios: {up: {steps: [{http: GET /, at: web}]}}"
    write("services: {web: {command: a}}", name="stack.yaml")
    before = plan_of(text)
    write("services: {web: {command: b}}", name="stack.yaml")
    after = plan_of(text)
    assert before.digest != after.digest
    assert [f.name for f in after.files] == ["seatrial.yaml", "stack.yaml"]


def test_a_variable_of_the_command_line_has_the_kind_of_the_value(plan_of: PlanOf, problems_of: ProblemsOf) -> None:
    plan = plan_of(SHOP, variables={"item": "007", "amount": "5"})
    assert dict(plan.values) == {"item": "007", "amount": 5}
    assert problems_of(SHOP, variables={"amount": "many", "itme": "x"}) == [
        '--var amount: a number is wanted, not "many"',
        "--var itme: the spec has no value of that name",
    ]


def test_the_environment_is_put_in(plan_of: PlanOf, header: str) -> None:
    text = header + (
        'name: "${SHOP:-shop} $$1"\nscenarios: {up: {steps: [{http: "GET ${ROOT}/", at: web, within: "${PATIENCE:-30s}", '
        'json: {n: 1, flag: true, text: "1"}}]}}'
    )
    plan = plan_of(text, {"ROOT": "/api"})
    (step,) = plan.scenarios[0].steps
    assert isinstance(step, ProbeStep)
    assert (plan.name, step.check.call.what, step.check.within_ns) == ("shop $1", "GET /api/", 30 * NS_PER_S)
    assert step.check.call.arguments["json"] == {"n": 1, "flag": True, "text": "1"}


def test_a_number_from_the_environment_is_a_number(plan_of: PlanOf) -> None:
    text = "seatrial: 1\nscenarios: {up: {steps: [{http: GET /, at: web}]}}\nstack:\n  services:\n    web:\n"
    plan = plan_of(text + "      command: x\n      replicas: ${N:-1}\n", {"N": "3"})
    assert plan.stack.services["web"].arguments["replicas"] == 3


def test_a_problem_in_a_text_that_the_environment_changed_marks_all_of_it(problems_of: ProblemsOf, header: str) -> None:
    text = header + 'scenarios:\n  up:\n    steps:\n      - {http: "GET ${ROOT}/{{ x }}", at: web}\n'
    assert problems_of(text, {"ROOT": "/a/rather/long/root"}) == ['9:17 unknown name "x"']


def test_values_saved_by_a_needed_scenario_are_known_also_over_two_steps(plan_of: PlanOf, header: str) -> None:
    text = header + (
        "scenarios:\n"
        '  third: {needs: [second], steps: [{http: "GET /{{ a }}/{{ b }}", at: web}]}\n'
        '  second: {needs: first, steps: [{http: "GET /{{ a }}", at: web, expect: json.n == a, save: {b: json.id}}]}\n'
        "  first: {steps: [{http: GET /, at: web, expect: status == 200, save: {a: json.id}}]}\n"
    )
    assert [s.id for s in plan_of(text).scenarios] == ["third", "second", "first"]


def test_what_holds_throughout_cannot_use_what_a_step_saves(problems_of: ProblemsOf, header: str) -> None:
    text = header + (
        "scenarios:\n  up:\n"
        '    holds: {open: {http: "GET /{{ a }}", at: web}}\n'
        "    steps: [{http: GET /, at: web, expect: status == 200, save: {a: json.id}}]\n"
    )
    assert problems_of(text) == ['8:35 unknown name "a"']


def test_one_mistake_is_one_problem(problems_of: ProblemsOf, header: str) -> None:
    text = header + (
        "scenarios:\n  down:\n    steps:\n"
        "      - {fault: pause, at: bd, id: stall}\n"
        "      - {http: POST /, at: web, save: {a: jsn.id}}\n"
        '      - {http: "GET /{{ a }}", at: web}\n'
        "      - {heal: stall}\n"
    )
    assert problems_of(text) == ['9:28 unknown service "bd"', '10:43 unknown name "jsn"']


def test_a_stack_that_cannot_be_read_does_not_hide_the_other_mistakes(problems_of: ProblemsOf) -> None:
    text = "seatrial: 1\nstack: none.yaml\nscenarios: {up: {steps: [{http: 'GET /{{ db.dsn }}', at: db/primary, within: 5}]}}"
    assert problems_of(text) == ["2:8 there is no file none.yaml", "3:78 5 has no unit"]


def test_the_stack_can_be_another_file(write: Callable[..., Path], vocabulary: Vocabulary) -> None:
    spec = write(
        "seatrial: 1\nstack: a.yaml\nscenarios: {up: {steps: [{http: GET /, at: api}]}}",
        **{"other__b.yaml": "services: {api: {command: x}}"},
    )
    plan = compile_spec(spec, vocabulary, environment={}, stack_override=Path("other/b.yaml"))
    assert list(plan.stack.services) == ["api"]
    assert plan.stack.directory.name == "other"


def test_a_remote_stack_has_endpoints_whose_addresses_may_hold_values(plan_of: PlanOf) -> None:
    text = (
        "seatrial: 1\nvalues: {port: 8000}\n"
        'stack: {remote: {services: {api: ["http://127.0.0.1:{{ port }}", https://shop.test]},'
        " allow: [shop.test], allow-faults: [shop.test]}}\n"
        "scenarios: {up: {steps: [{http: GET /, at: api#2}, {http: GET https://shop.test/x}]}}\n"
    )
    plan = plan_of(text, variables={"port": "9000"})
    assert plan.stack.platform == "remote"
    assert plan.stack.services["api"].arguments["url"] == ("http://127.0.0.1:9000", "https://shop.test")
    assert (plan.stack.allow, plan.stack.allow_faults) == (("shop.test",), ("shop.test",))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80", "user:word@127.0.0.1", "shop.test:443"])
def test_an_address_that_is_written_out_needs_no_target(plan_of: PlanOf, host: str) -> None:
    text = (
        "seatrial: 1\nstack: {services: {web: {command: x}}, allow: [shop.test]}\n"
        f"scenarios: {{up: {{steps: [{{http: 'GET http://{host}/x'}}]}}}}\n"
    )
    assert plan_of(text).scenarios


@pytest.mark.parametrize(
    "what",
    [
        "https://shop.example/x",
        "GET https://127.0.0.1@shop.example/",
        "GET https://{{ item }}.example/",
        "GET https://shop.example/{{ item }}",
    ],
)
def test_no_other_host_is_ever_addressed(problems_of: ProblemsOf, header: str, what: str) -> None:
    text = header + f"values: {{item: x}}\nscenarios: {{up: {{steps: [{{http: '{what}'}}]}}}}\n"
    (problem,) = problems_of(text)
    assert "allowed" in problem


def test_an_address_in_a_query_is_no_address(plan_of: PlanOf, problems_of: ProblemsOf, header: str) -> None:
    text = header + "scenarios: {up: {steps: [{http: 'GET /login?next=https://shop.example/', AT}]}}\n"
    assert plan_of(text.replace("AT", "at: web")).scenarios
    (problem,) = problems_of(text.replace("AT", "timeout: 1s"))
    assert 'needs "at"' in problem


def test_a_nested_probe_of_a_verbs_arguments_is_read(plan_of: PlanOf, problems_of: ProblemsOf, header: str) -> None:
    text = header + "scenarios: {up: {steps: [{command: x, unless: {http: GET /, at: AT}, limits: {time: 1s}}]}}\n"
    (step,) = plan_of(text.replace("AT", "web")).scenarios[0].steps
    assert isinstance(step, ProbeStep)
    assert getattr(step.check.call.arguments["unless"], "verb", "") == "http"
    assert len(problems_of(text.replace("AT", "wbe"))) == 1


def test_a_thousand_checks_compile_in_half_a_second(plan_of: PlanOf, header: str) -> None:
    steps = "".join(f"      - {{http: GET /items/{n}, at: web, expect: status == 200}}\n" for n in range(1000))
    text = header + f"scenarios:\n  many:\n    steps:\n{steps}"
    plan_of(text)
    took = []
    for _ in range(3):
        began = time.process_time()
        plan = plan_of(text)
        took.append(time.process_time() - began)
    assert len(plan.scenarios[0].steps) == 1000
    assert min(took) < 0.5


def test_a_problem_is_shown_with_its_line_and_a_mark(
    write: Callable[..., Path], vocabulary: Vocabulary, header: str
) -> None:
    path = write(header + "scenarios:\n  up:\n    steps:\n      - {http: GET /, at: web/ledaer}\n")
    with pytest.raises(UsageError) as caught:
        compile_spec(path, vocabulary, environment={})
    assert str(caught.value) == (
        'seatrial.yaml:9:31: unknown role "ledaer" of service "web"\n'
        "    9 |       - {http: GET /, at: web/ledaer}\n"
        "      |                               ^^^^^^ it has no roles"
    )


def test_a_time_of_the_verbs_own_ends_before_that_of_the_attempt(
    write: Callable[..., Path], vocabulary: Vocabulary
) -> None:
    words = replace(vocabulary, verbs={**vocabulary.verbs, "grpc": GRPC})

    def compiled(times: str) -> Plan:
        step = f"{{grpc: a/b, at: web, {times}, expect: code == 'OK'}}"
        head = "seatrial: 1\nstack: {services: {web: {command: serve}}}\nscenarios:\n  late:\n    steps:\n"
        return compile_spec(write(f"{head}      - {step}\n"), words, environment={})

    with pytest.raises(
        UsageError, match=r"seatrial.yaml:6:40: the attempt's time-out, 5s, is over before the deadline of 5s is"
    ):
        compiled("deadline: 5s")
    with pytest.raises(UsageError, match=r"the attempt's time-out, 1s, is over before the deadline of 2s is"):
        compiled("deadline: 2s, timeout: 1s")
    assert compiled("deadline: 5s, timeout: 6s").scenarios
