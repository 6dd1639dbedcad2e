"""Profiles, users over time, and certificates: what a plan has of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.api.loads import configuration
from seatrial.core.load_plans import LoadPlan, ProfilePlan, scaled
from seatrial.core.plan import Plan
from seatrial.core.quantities import NS_PER_S
from seatrial.core.workloads import RenderedRequest
from seatrial.engine.asking import asked, too_short
from seatrial.spec.crowds import Crowd
from seatrial.spec.profiles import BUILT_IN, Choice

PlanOf = Callable[..., Plan]
ProblemsOf = Callable[..., list[str]]
MINUTE = 60 * NS_PER_S


def text(header: str, load: str, more: str = "", scenario: str = "full-length: true, ") -> str:
    return (
        f"{header}loads: {{x: {{http: GET /, at: web, {load}}}}}\n{more}"
        f"scenarios: {{up: {{{scenario}throughout: [x], steps: [{{http: GET /, at: web}}]}}}}\n"
    )


@pytest.mark.parametrize(
    ("name", "users", "minutes"),
    [("smoke", 5, 2), ("load", 100, 10), ("stress", 500, 10), ("spike", 200, 5), ("endurance", 50, 60)],
)
def test_built_in_profiles(plan_of: PlanOf, header: str, name: str, users: int, minutes: int) -> None:
    load = plan_of(text(header, f"profile: {name}")).loads["x"]
    assert (load.users, load.for_ns, load.arrivals) == (users, minutes * MINUTE, {})
    assert bool(load.crowd) == (name == "spike")
    assert load.profile == ProfilePlan(name=name, scale=1.0, whole_ns=minutes * MINUTE)


def test_a_factor_scales_all_durations_and_no_users(plan_of: PlanOf, header: str) -> None:
    plan = plan_of(text(header, "profile: spike, warm-up: 10s, think: 1s, window: 20s"), profiles=Choice(scale=0.1))
    load = plan.loads["x"]
    assert (plan.scale, load.users, load.for_ns, load.warm_up_ns) == (0.1, 200, MINUTE // 2, NS_PER_S)
    spike = {"base": 20, "peak": 200, "after_ns": 12 * NS_PER_S, "for_ns": 6 * NS_PER_S}
    assert load.crowd == {"spike": spike}
    assert (load.think_ns, load.window_ns) == (NS_PER_S, 20 * NS_PER_S)
    assert load.profile is not None
    assert load.profile.text == "profile spike, scaled to 0.1: 30s instead of 5m"


def test_the_factor_of_the_spec_gives_way_to_the_command_line(plan_of: PlanOf, header: str) -> None:
    spec = text(header, "profile: load", "scale: 0.5\n")
    assert plan_of(spec).loads["x"].for_ns == 5 * MINUTE
    assert plan_of(spec, profiles=Choice(scale=1)).loads["x"].for_ns == 10 * MINUTE


def test_a_factor_leaves_loads_without_a_profile_alone(plan_of: PlanOf, header: str) -> None:
    load = plan_of(text(header, "users: 3, for: 10s, warm-up: 1s"), profiles=Choice(scale=0.1)).loads["x"]
    assert (load.for_ns, load.warm_up_ns, load.profile) == (10 * NS_PER_S, NS_PER_S, None)


def test_profiles_of_a_spec(plan_of: PlanOf, header: str) -> None:
    own = (
        "profiles: {load: {users: 40}, night: {users: {steps: [{users: 3, for: 1h}, {users: 9, for: 1h}]}, for: 2h}}\n"
    )
    load = plan_of(text(header, "profile: load", own)).loads["x"]
    assert (load.users, load.for_ns) == (40, 10 * MINUTE)
    night = plan_of(text(header, "profile: night", own), profiles=Choice(scale=0.01)).loads["x"]
    assert (night.users, night.for_ns) == (9, 72 * NS_PER_S)
    assert night.crowd == {"steps": [[3, 36 * NS_PER_S], [9, 36 * NS_PER_S]]}


def test_another_profile_for_all_loads_that_have_one(plan_of: PlanOf, problems_of: ProblemsOf, header: str) -> None:
    plan = plan_of(text(header, "profile: endurance"), profiles=Choice(name="smoke", scale=0.5))
    load = plan.loads["x"]
    assert (load.users, load.for_ns) == (5, MINUTE)
    assert load.profile is not None
    assert load.profile.text == "profile smoke in place of endurance (1h), scaled to 0.5: 60s instead of 2m"
    same = plan_of(text(header, "profile: smoke"), profiles=Choice(name="smoke"))
    assert same.loads["x"].profile == ProfilePlan(name="smoke", scale=1.0, whole_ns=2 * MINUTE)
    assert problems_of(text(header, "profile: load"), profiles=Choice(name="smokee")) == [
        "--profile smokee: there is no profile of that name"
    ]
    assert problems_of(text(header, "users: 3"), profiles=Choice(name="smoke")) == [
        "--profile smoke: no load of this spec has a profile"
    ]


@pytest.mark.parametrize("scale", [0, -1, 1001, float("inf"), float("nan")])
def test_a_factor_of_nothing_is_refused(problems_of: ProblemsOf, header: str, scale: float) -> None:
    (problem,) = problems_of(text(header, "profile: load"), profiles=Choice(scale=scale))
    assert problem.startswith("--scale")


def test_what_needs_the_full_length_says_nothing_after_less(plan_of: PlanOf, header: str) -> None:
    def why(load: str, choice: Choice, scenario: str = "full-length: true, ") -> str:
        plan = plan_of(text(header, load, scenario=scenario), profiles=choice)
        return too_short(plan, plan.scenarios[0])

    assert why("profile: load", Choice()) == ""
    assert why("profile: load", Choice(scale=1)) == ""
    assert why("profile: load", Choice(scale=0.1)) == "it needs the full length, and profiles are scaled to 0.1"
    assert why("users: 3", Choice(scale=0.5)) == "it needs the full length, and profiles are scaled to 0.5"
    assert why("profile: load", Choice(scale=2)) == ""
    assert "smoke in place of endurance (1h), scaled to 2: 4m" in why(
        "profile: endurance", Choice(scale=2, name="smoke")
    )
    assert why("profile: load", Choice(scale=0.1), "") == ""
    assert "smoke in place of endurance (1h): 2m" in why("profile: endurance", Choice(name="smoke"))
    assert why("profile: smoke", Choice(name="endurance")) == ""


def test_a_scenario_without_a_deadline_has_time_for_its_loads(plan_of: PlanOf, header: str) -> None:
    step = "loads: {x: {http: GET /, at: web, profile: load}}\nscenarios: {up: {DEADLINE steps: [{load: x}, {http: GET /, at: web}]}}\n"

    def deadline(given: str, more: str = "", scale: float = 1) -> int:
        plan = plan_of(header + more + step.replace("DEADLINE", given), profiles=Choice(scale=scale))
        return plan.scenarios[0].deadline_ns // NS_PER_S

    assert deadline("") == 720
    assert deadline("", scale=0.1) == 180
    assert deadline("deadline: 3m,") == 180
    assert deadline("", "defaults: {deadline: 4m}\n") == 240


@pytest.mark.parametrize(
    ("given", "users", "for_s", "words"),
    [
        ("users: 7", 7, None, "7 users"),
        ("users: {ramp: {from: 0, to: 1000, over: 30s}}", 1000, None, "0 to 1,000 users over 30s"),
        ("users: {ramp: {from: 9, to: 3, over: 30s}}, for: 1m", 9, 60, "9 to 3 users over 30s"),
        (
            "users: {steps: [{users: 2, for: 10s}, {users: 5, for: 5s}]}",
            5,
            15,
            "2 users for 10s, 5 users for 5s",
        ),
        ("users: {spike: {base: 2, peak: 20, after: 1s, for: 5s}}", 20, None, "2 users, 20 after 1s for 5s"),
        ("rate: 10/s", 0, None, "constant 10/s"),
        ("arrivals: {ramp: {from: 0/s, to: 10/s, over: 5s}}", 0, None, "0/s to 10/s over 5s"),
        ("arrivals: {steps: [{rate: 5/s, for: 5s}]}", 0, None, "5/s for 5s"),
        ("arrivals: {spike: {base: 2/s, peak: 20/s, after: 1s, for: 5s}}", 0, None, "2/s, 20/s after 1s for 5s"),
    ],
)
def test_what_is_asked(plan_of: PlanOf, header: str, given: str, users: int, for_s: int | None, words: str) -> None:
    load: LoadPlan = plan_of(text(header, given)).loads["x"]
    assert (load.users, load.for_ns and load.for_ns // NS_PER_S, asked(load)) == (users, for_s, words)


def test_certificates_are_beside_the_spec(plan_of: PlanOf, write: Callable[..., Path], header: str) -> None:
    write("x", name="certs/ca.pem")
    write("x", name="certs/me.pem")
    for what in ("http: GET /", "requests: [{http: GET /}]"):
        load = "at: web, rate: 3/s, pool: fifo, verify: certs/ca.pem, cert: certs/me.pem, key: certs/me.pem"
        plan = plan_of(text(header, "rate: 1/s").replace("http: GET /, at: web, rate: 1/s", f"{what}, {load}", 1))
        found = plan.loads["x"]
        assert [Path(str(p)).relative_to(Path.cwd()) for p in (found.verify, found.cert, found.key)] == [
            Path("certs/ca.pem"), Path("certs/me.pem"), Path("certs/me.pem"),
        ]  # fmt: skip
        assert found.pool == "fifo"
        config = configuration(found, [RenderedRequest(urls=("https://127.0.0.1:1",))], Path("x.load"))
        assert (config["lifo"], config["verify"], config["cert"]) == (False, found.verify, found.cert)
    plain = plan_of(text(header, "rate: 1/s, verify: false")).loads["x"]
    assert (plain.verify, plain.cert, plain.key, plain.pool) == (False, "", "", "lifo")


def test_where_nothing_is_said_a_services_own_authority_is_trusted(plan_of: PlanOf, header: str) -> None:
    load = plan_of(text(header, "rate: 1/s")).loads["x"]
    for parameters, verify in (({"ca": "ca.pem"}, "ca.pem"), ({}, True)):
        request = RenderedRequest(urls=("https://127.0.0.1:1",), parameters=parameters)
        assert configuration(load, [request], Path("x.load"))["verify"] == verify


@given(st.sampled_from(sorted(BUILT_IN)), st.floats(0.001, 100))
def test_a_scaled_profile_is_the_same_in_another_time(name: str, scale: float) -> None:
    profile = BUILT_IN[name]
    crowd: Crowd = profile.crowd.scaled(scale)
    assert crowd.peak == profile.crowd.peak
    spike, before = crowd.over_time.get("spike"), profile.crowd.over_time.get("spike")
    if spike is not None and before is not None:
        assert (spike["base"], spike["peak"]) == (before["base"], before["peak"])
        share = spike["after_ns"] / scaled(profile.for_ns, scale)
        assert share == pytest.approx(before["after_ns"] / profile.for_ns, rel=1e-6)
    assert not crowd.unseen(scaled(profile.for_ns, scale))
