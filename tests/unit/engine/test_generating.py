"""What is generated for checks that no window proves: which harm for which figure, which state for which check, and what for none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.api.generated import judge_generated
from seatrial.api.vocabulary import vocabulary
from seatrial.core.plan import CounterStep, FaultStep, HealStep, Plan, ProbeStep, ScenarioPlan
from seatrial.core.proofs import Proven
from seatrial.core.quantities import Quantity
from seatrial.core.results import Finding
from seatrial.core.stack import Instance, InstanceState
from seatrial.core.verdicts import Severity, Verdict
from seatrial.engine.figuring import Harm, harm_of
from seatrial.engine.generating import Generated, generate
from seatrial.engine.trial import in_order
from seatrial.spec import compile_spec

SPEC = """
seatrial: 1
name: shop
stack:
  services:
    db: {{kind: postgres}}
    web: {{command: "serve {{{{ instance.port.http }}}} {{{{ db.dsn }}}}", ports: auto, ready: {{http: GET /livez}}}}
    api: {{command: "serve {{{{ instance.port.grpc }}}}", ports: {{grpc: auto}}, ready: {{grpc: grpc.health.v1.Health/Check}}}}
  links: [web -> api]
values: {{limit: 10}}
workloads:
  sales:
    http: "POST /sales/{{{{ limit }}}}?x=1"
    at: web
    json: {{key: "{{{{ op.key }}}}"}}
    rate: 20/s
    timeout: 5s
    model: set
    read-back: {{http: GET /keys, at: web, keys: json.keys}}
  stock:
    sql: "insert into t values ('{{{{ op.key }}}}')"
    at: db
    rate: 5/s
    timeout: 5s
loads:
  lookers: {{http: GET /x, at: web, rate: 30/s, for: 3s, timeout: 2s}}
  mixed: {{at: web, rate: 30/s, for: 3s, timeout: 5s, requests: [{{http: GET /a, tag: a}}, {{http: POST /b}}]}}
throughout: [sales]
expect: {{{trial}}}
scenarios:
  a:
    throughout: [stock]
    steps:
      - {{load: lookers}}
      - {{load: mixed}}
{steps}
    expect: {{{expect}}}
"""


def plan_of(tmp_path: Path, *, steps: str = "", expect: str = "", trial: str = "") -> Plan:
    file = tmp_path / "seatrial.yaml"
    lines = "\n".join(f"      - {line}" for line in steps.splitlines() if line.strip())
    file.write_text(SPEC.format(steps=lines, expect=expect or "some: sales.ok > 0", trial=trial))
    return compile_spec(file, vocabulary(), environment={}, variables={}, overlays=[], stack_override=None)


def scenario(made: Generated, id_: str = "a") -> ScenarioPlan:
    return next(s for s in made.plan.scenarios if s.id == id_)


def faults(made: Generated, id_: str = "a") -> list[FaultStep]:
    found = scenario(made, id_)
    return [s for s in (*found.steps, *found.finally_) if isinstance(s, FaultStep)]


@pytest.mark.parametrize(
    ("condition", "fault", "arguments"),
    [
        ("lookers.p95 < 300ms", "http-delay", {"method": "GET", "path": "/x"}),
        ("lookers.served >= 99%", "http-status", {"method": "GET", "path": "/x", "status": 503}),
        ("lookers.failed == 0 and lookers.ok > 50", "http-status", {"status": 503}),
        ("lookers.rate > 25/s", "http-status", {"status": 503}),
        ("mixed.tag.a.p99 < 1s", "http-delay", {}),
        ("sales.lost == 0", "http-status", {"method": "POST", "path": "/sales/*", "status": 201}),
        ("sales.outage.longest < 3s", "http-status", {"method": "POST", "status": 503}),
        ("stock.outage.longest < 3s", "cut", {}),
        ("stock.latency.p99 < 200ms", "latency", {"direction": "to"}),
    ],
)
def test_a_figure_is_harmed_on_the_way_of_its_client(
    tmp_path: Path, condition: str, fault: str, arguments: dict[str, object]
) -> None:
    made = generate(plan_of(tmp_path, expect=f"bound: {condition}"), {"a/bound"}, vocabulary())
    [step] = faults(made)
    assert step.fault == fault
    assert arguments.items() <= step.arguments.items()
    assert step.severity is not Severity.BLOCKING
    client = condition.partition(".")[0]
    to = "db" if client == "stock" else "web"
    assert step.at.service == f"clients -> {to}"
    assert made.plan.stack.services[f"clients -> {to}"].arguments == {"from": "clients", "to": to}
    # Its client goes that way, nobody else does, and what it reads back it reads where it did.
    at = {n: w.call.at for n, w in made.plan.workloads.items()} | {
        n: p.requests[0].call.at for n, p in made.plan.loads.items()
    }
    assert {n for n, target in at.items() if target is not None and target.on_link} == {client}
    assert (
        made.plan.workloads["sales"].read_back
        == plan_of(tmp_path, expect=f"bound: {condition}").workloads["sales"].read_back
    )
    assert scenario(made).disrupting
    shows = made.shows["a/bound"]
    assert shows.faults == (f"a/{step.id}",)
    assert condition.startswith(shows.names[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5_000), st.sampled_from(["<", "<="]))
def test_it_comes_later_than_the_bound_and_before_its_client_gives_up(
    tmp_path_factory: pytest.TempPathFactory, bound_ms: int, operator: str
) -> None:
    plan = plan_of(tmp_path_factory.mktemp("s"), expect=f"bound: lookers.p95 {operator} {bound_ms}ms")
    made = generate(plan, {"a/bound"}, vocabulary())
    if bound_ms >= 2000:
        assert "lookers gives up after 2s" in made.why_not["a/bound"]
        assert not made.shows
        return
    [step] = faults(made)
    delay = step.arguments["delay"]
    assert isinstance(delay, Quantity)
    assert bound_ms * 1e6 < delay.value < 2e9


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("sales.doubled == 0", "no harm is known"),
        ("usage.web.memory.growth < 1 GiB", "nothing that is known makes"),
        ("lookers.p95 > 1ms", "more of it, and not less"),
        ("stock.unknown == 0 or limit == 10", "more of it, and not less"),
        ("stack.up < 60s", "nothing that is known makes"),
        ("lookers.before.p95 < 1s", "no harm is known"),
    ],
)
def test_what_nothing_is_known_for_is_left_to_variants(tmp_path: Path, condition: str, why: str) -> None:
    where = "trial" if condition.startswith("stack") else "a"
    plan = plan_of(tmp_path, **{"trial" if where == "trial" else "expect": f"bound: {condition}"})
    made = generate(plan, {f"{where}/bound"}, vocabulary())
    assert not made.shows
    assert why in made.why_not[f"{where}/bound"]
    assert "a variant has to" in made.why_not[f"{where}/bound"]


def test_clients_of_the_whole_trial_are_harmed_in_scenarios_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, trial="kept: sales.lost == 0, there: sales.availability.outside_faults > 99%")
    made = generate(plan, {"trial/kept", "trial/there"}, vocabulary())
    assert made.variant.only == ("generated-first", "generated")
    order = [s.id for s in made.plan.scenarios]
    assert (order[0], order[-1]) == made.variant.only, "what is not told of follows upon no fault"
    (untold,), (unwritten,) = faults(made, "generated-first"), faults(made, "generated")
    assert made.shows["trial/there"].faults == (f"generated-first/{untold.id}",)
    assert untold.untold, "for who judges them, nobody has broken anything"
    assert not unwritten.untold
    assert (untold.arguments["status"], unwritten.arguments["status"]) == (503, 201)


def test_outages_of_several_clients_are_one_and_come_last(tmp_path: Path) -> None:
    expect = "one: sales.recovery < 5s, two: stock.outage.longest < 2s, three: sales.lost == 0"
    made = generate(plan_of(tmp_path, expect=expect), {"a/one", "a/two", "a/three"}, vocabulary())
    # Even where a step before it does not pass: the scenario goes by the control.
    unwritten, first, second, heal = scenario(made).finally_
    assert isinstance(unwritten, FaultStep)
    assert unwritten.arguments["status"] == 201
    assert isinstance(first, FaultStep)
    assert first.for_ns is None
    assert isinstance(second, FaultStep)
    assert second.for_ns == 7_000_000_000
    assert isinstance(heal, HealStep)
    assert heal.fault == first.id


STATES = {
    "{id: x, http: GET /x, at: web, expect: status == 200}": ["cut clients -> web"],
    "{id: x, sql: select 1, at: db/primary, expect: 'rows[0][0] == 1'}": ["cut clients -> db"],
    "{id: x, process: instances, at: web *, expect: ready == wanted}": ["stop web", "restart web", "kill web"],
    "{id: x, services: all, expect: 'missing == []', notices: [db]}": ["stop db", "restart db", "kill db"],
    "{id: x, command: pg_dump --version, expect: exit == 0}": [
        "its program does nothing, and is content", "its program does nothing, and fails",
    ],
    "{id: x, dns: db, at: 'web#1', expect: len(addresses) > 0}": ["a name that nobody has"],
    "{id: x, link: traffic, at: web -> api, expect: requests == 0}": ["something passes web -> api"],
    "{id: x, stack: order}": ["in the record of starts, the other way round"],
    "{id: x, stack: ports, at: web *}": ["stop web", "restart web", "kill web"],
}  # fmt: skip


@pytest.mark.parametrize("step", STATES)
def test_a_check_is_asked_beside_its_step_in_the_state_that_it_has_to_notice(tmp_path: Path, step: str) -> None:
    plan = plan_of(tmp_path, steps=step)
    made = generate(plan, {"a/x"}, vocabulary())
    [counter] = [s for s in scenario(made).steps if isinstance(s, CounterStep)]
    assert [s.id for s in counter.states] == STATES[step]
    place, steps = scenario(made).steps.index(counter), scenario(made).steps
    # What loses nothing comes before the step, which then shows that all is whole; what leaves traces comes after.
    leaves = any(s.first is not None or (s.fault is not None and not s.fault.at.on_link) for s in counter.states)
    assert steps[place - 1 if leaves else place + 1].id == "x"
    for state in counter.states:
        assert state.fault is None or (state.fault.id == counter.id and state.fault.at.everywhere)
        if state.fault is not None and state.fault.fault == "cut":
            way = state.check.call.at
            assert way is not None
            assert way.on_link, "it is asked through what is cut"
    assert made.shows[f"a/{counter.id}"].finding == "a/x"


def test_each_that_it_says_it_notices_has_to_be_noticed(tmp_path: Path) -> None:
    step = "{id: x, http: GET /x, at: web, notices: [db, web -> api]}"
    made = generate(plan_of(tmp_path, steps=step), {"a/x"}, vocabulary())
    ids = [s.id for s in scenario(made).steps]
    assert ids[-4:] == ["x--broken", "x--without-db", "x--without-web-api", "x"]
    assert {s.states[0] for s in made.shows.values()} == {"cut clients -> web", "stop db", "cut web -> api"}
    red = {i: finding(i, Verdict.FAIL, f"{s.states[0]}: red") for i, s in made.shows.items()}
    whole = finding("a/x", Verdict.PASS)
    proof = judge_generated(made, {**red, "a/x": whole})["a/x"]
    assert proof.by == ("generated: cut clients -> web", "generated: stop db", "generated: cut web -> api")
    green = {**red, "a/x--without-db": finding("a/x--without-db", Verdict.PASS), "a/x": whole}
    assert judge_generated(made, green)["a/x"].blind_to == ("stop db",)
    unsure = {**red, "a/x--without-db": finding("a/x--without-db", Verdict.INCONCLUSIVE, reason="nothing saw it act")}
    assert judge_generated(made, {**unsure, "a/x": whole})["a/x"].outcome is Proven.NOT_PROVABLE


def test_what_must_not_answer_is_asked_before_anything_was_broken(tmp_path: Path) -> None:
    steps = """
{fault: stop, at: db, id: gone}
{id: x, tcp: "", at: db, expect: 'error == "refused"'}
"""
    made = generate(plan_of(tmp_path, steps=steps), {"a/x"}, vocabulary(), mute={"a/x"})
    ids = [s.id for s in scenario(made).steps]
    assert ids[-3:] == ["x--broken", "gone", "x"]
    alone = generate(plan_of(tmp_path, steps="{id: x, tcp: '', at: db}"), {"a/x"}, vocabulary(), mute={"a/x"})
    assert "no fault of its scenario comes before it" in alone.why_not["a/x"]


def test_what_is_not_open_stays_as_it_is_written(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, steps="{id: x, http: GET /x, at: web}", expect="b: sales.lost == 0")
    made = generate(plan, set(), vocabulary())
    assert made.plan.scenarios == plan.scenarios
    assert made.plan.workloads == plan.workloads
    assert not made.shows


@given(
    st.lists(
        st.sampled_from(["lost", "p95", "latency", "during", "after", "before", "errors", "lag", "max", "x"]),
        max_size=3,
    )
)
def test_no_name_of_a_figure_is_harmed_twice(keys: list[str]) -> None:
    harm = harm_of(keys)
    assert harm is None or harm in Harm
    if "before" in keys or "after" in keys or not keys:
        assert harm is None


def finding(id_: str, verdict: Verdict, measured: str = "", reason: str = "") -> Finding:
    return Finding(
        id=id_, scenario="a", claim="", verdict=verdict, measured=measured, reason=reason, began_ns=0, ended_ns=1
    )


def test_red_counts_where_the_harm_was_witnessed_and_is_named(tmp_path: Path) -> None:
    made = generate(plan_of(tmp_path, expect="b: lookers.p95 < 300ms"), {"a/b"}, vocabulary())
    [seen] = made.shows["a/b"].faults
    red = finding("a/b", Verdict.FAIL, "lookers.p95 = 470ms")
    acted = finding(seen, Verdict.PASS)
    assert judge_generated(made, {"a/b": red, seen: acted})["a/b"].outcome is Proven.PROVEN
    unseen = finding(seen, Verdict.INCONCLUSIVE, reason="no witness saw the fault act")
    assert judge_generated(made, {"a/b": red, seen: unseen})["a/b"].outcome is Proven.NOT_PROVABLE
    assert judge_generated(made, {"a/b": red})["a/b"].outcome is Proven.NOT_PROVABLE
    other = finding("a/b", Verdict.FAIL, "lookers.errors = 4%")
    assert judge_generated(made, {"a/b": other, seen: acted})["a/b"].outcome is Proven.WRONG_REASON
    green = finding("a/b", Verdict.PASS, "lookers.p95 = 4ms")
    assert judge_generated(made, {"a/b": green, seen: acted})["a/b"].outcome is Proven.NOT_PROVABLE


def test_a_check_that_is_green_while_it_is_cut_off_is_blind_and_its_step_is_the_control(tmp_path: Path) -> None:
    made = generate(plan_of(tmp_path, steps="{id: x, http: GET /x, at: web}"), {"a/x"}, vocabulary())
    broken, whole = "a/x--broken", finding("a/x", Verdict.PASS)
    red = finding(broken, Verdict.FAIL, "cut clients -> web: red (refused)")
    proof = judge_generated(made, {broken: red, "a/x": whole})["a/x"]
    assert (proof.outcome, proof.by) == (Proven.PROVEN, ("generated: cut clients -> web",))
    assert judge_generated(made, {broken: finding(broken, Verdict.PASS), "a/x": whole})["a/x"].outcome is Proven.BLIND
    never = finding("a/x", Verdict.FAIL, reason="status is 500")
    assert judge_generated(made, {broken: red, "a/x": never})["a/x"].outcome is Proven.WRONG_REASON
    assert judge_generated(made, {"a/x": whole})["a/x"].outcome is Proven.NOT_PROVABLE


def test_a_probe_step_keeps_its_own_finding(tmp_path: Path) -> None:
    made = generate(plan_of(tmp_path, steps="{id: x, http: GET /x, at: web}"), {"a/x"}, vocabulary())
    [own] = [s for s in scenario(made).steps if isinstance(s, ProbeStep)]
    assert own.check.call.at is not None
    assert not own.check.call.at.on_link


def test_a_link_that_is_there_before_its_service_is_not_out_of_order(tmp_path: Path) -> None:
    plan = generate(
        plan_of(tmp_path, steps="{id: x, http: GET /x, at: web}"), {"a/x"}, vocabulary()
    ).plan  # with clients -> web

    def change(service: str, *, ready: bool) -> Instance:
        return Instance(
            name=f"{service}#1", service=service, ordinal=1, state=InstanceState.RUNNING, ready=ready, endpoints={},
            identity="1", restarts=0, since_ns=0,
        )  # fmt: skip

    links = [change(n, ready=True) for n, s in plan.stack.services.items() if s.kind == "link"]
    services = [n for n, s in plan.stack.services.items() if s.kind != "link"]
    started = [*links, *(change(n, ready=r) for n in services for r in (False, True))]
    assert len(links) == 2
    assert in_order(plan, started) is True
    assert in_order(plan, started[::-1]) is False
