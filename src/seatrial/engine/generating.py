"""Variants that nobody wrote: from a Plan and the findings whose checks no window has proven, one Plan in which they have to turn red.

All of them in one run, for a run costs minutes: each scenario that holds such findings is followed as it is written, its checks are asked
in broken states in between (`counterstates`), and what its clients send goes through links on which it is harmed (`figuring`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.links import KIND, OUTSIDE, link_name
from ..core.load_plans import LoadPlan, UserFlows, UserKind, UserStep
from ..core.plan import (
    Expectation,
    FaultStep,
    HealStep,
    Plan,
    ProbeCall,
    ProbeStep,
    RedEvidence,
    ScenarioPlan,
    Step,
    Variant,
    WorkloadPlan,
)
from ..core.stack import ServicePlan, StackPlan, Target
from ..core.verdicts import Severity
from ..core.vocabulary import Vocabulary
from .counterstates import Placed, Ways, placed
from .figuring import Client, Figure, Harm, faults_for, figure_of

NAME = "generated"
VERSION = 2  # of how variants are generated: what could not be proven is tried again when that changes
_COUNTER_NS = 75_000_000_000  # more for a scenario, of each of its checks that is asked in broken states
_HARM_NS = 60_000_000_000


@dataclass(frozen=True, kw_only=True)
class Shows:
    """What a finding of the generated run shows when it turns red: of which finding, in which states; `faults`: findings that have to say
    that what it rests on was seen to act; `names`: its evidence has to speak of one.
    """

    finding: str
    states: tuple[str, ...]
    faults: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A variant with the Plan that it is, what its red findings show, and what nothing could be generated for."""

    variant: Variant
    shows: Mapping[str, Shows]
    why_not: Mapping[str, str]

    @property
    def plan(self) -> Plan:
        """To be run."""
        assert self.variant.plan is not None
        return self.variant.plan


@dataclass(kw_only=True)
class _Draft:
    """What is made for one scenario."""

    placed: list[Placed] = field(default_factory=list)
    figures: list[tuple[str, Figure]] = field(default_factory=list)  # by expectation


def generate(
    plan: Plan, open_: Collection[str], vocabulary: Vocabulary, mute: Collection[str] = (), asked: bool = True
) -> Generated:
    """Variants for findings by id, as one. `mute`: those whose check was green since its target did not answer; `asked`: also checks of
    steps, not only expectations.
    """
    ways = Ways.of(plan)
    clients = {n: Client.of(w) for n, w in plan.workloads.items()} | {n: Client.of(p) for n, p in plan.loads.items()}
    why_not: dict[str, str] = {}
    drafts: dict[str, _Draft] = {}
    for scenario in plan.scenarios:
        draft = drafts[scenario.id] = _Draft()
        for step in _probes(scenario) if asked else ():
            if (id_ := f"{scenario.id}/{step.id}") in open_:
                found = placed(plan, scenario, step, vocabulary, ways, mute=id_ in mute)
                _sort(found, id_, draft.placed, why_not)
        for expectation in scenario.expect:
            _figure(f"{scenario.id}/{expectation.name}", expectation, open_, clients, plan, draft, why_not)
    trial = _Draft()
    for expectation in plan.expect:
        _figure(f"trial/{expectation.name}", expectation, open_, clients, plan, trial, why_not)
    for draft in (*drafts.values(), trial):
        draft.figures = [f for f in draft.figures if _reachable(f, clients, ways, why_not)]
    for id_ in open_:
        if id_ not in why_not and not _is_known(id_, drafts, trial):
            why_not[id_] = "nothing is generated for it: a variant has to prove it"
    return _assembled(plan, drafts, trial, clients, ways, why_not)


def _probes(scenario: ScenarioPlan) -> Iterable[ProbeStep]:
    return (s for s in (*scenario.steps, *scenario.finally_) if isinstance(s, ProbeStep) and s.check.expect is not None)


def _sort(found: list[Placed] | str, id_: str, into: list[Placed], why_not: dict[str, str]) -> None:
    if isinstance(found, str):
        why_not[id_] = found
    else:
        into += found


def _figure(
    id_: str,
    expectation: Expectation,
    open_: Collection[str],
    clients: Mapping[str, Client],
    plan: Plan,
    draft: _Draft,
    why_not: dict[str, str],
) -> None:
    if id_ not in open_:
        return
    figure = figure_of(expectation.condition, clients, plan.values)
    if isinstance(figure, str):
        why_not[id_] = figure
    else:
        draft.figures.append((id_, figure))


def _reachable(one: tuple[str, Figure], clients: Mapping[str, Client], ways: Ways, why_not: dict[str, str]) -> bool:
    id_, figure = one
    client = clients[figure.client]
    way = ways.to(client.at)
    if way is None:
        why_not[id_] = (
            f"there is no link on the way of {client.name}, and none can be made here: a variant has to prove it"
        )
        return False
    if not any(faults_for(client, way, [figure])):
        why_not[id_] = f"nobody can do that to {client.protocol} on its way ({figure.harm}): a variant has to prove it"
        return False
    return True


def _is_known(id_: str, drafts: Mapping[str, _Draft], trial: _Draft) -> bool:
    if any(id_ == known for d in (*drafts.values(), trial) for known, _ in d.figures):
        return True
    return any(id_ == f"{s}/{p.step.of}" for s, d in drafts.items() for p in d.placed)


# -- the plan


def _assembled(
    plan: Plan,
    drafts: Mapping[str, _Draft],
    trial: _Draft,
    clients: Mapping[str, Client],
    ways: Ways,
    why_not: Mapping[str, str],
) -> Generated:
    shows: dict[str, Shows] = {}
    scenarios = [_followed(s, drafts[s.id], clients, ways, shows) for s in plan.scenarios]
    only = [s.id for s in plan.scenarios if drafts[s.id].placed or drafts[s.id].figures]
    # What is not told of must not follow upon a fault: until clients have recovered from that, what they see is still its doing.
    early = _Draft(figures=[f for f in trial.figures if f[1].harm is Harm.UNTOLD])
    late = _Draft(figures=[f for f in trial.figures if f not in early.figures])
    taken = {s.id for s in plan.scenarios}
    if early.figures:
        whole = _whole(_free(f"{NAME}-first", taken), "harmed before anything is broken")
        scenarios.insert(0, _followed(whole, early, clients, ways, shows))
        only.insert(0, whole.id)
    if late.figures:
        whole = _whole(_free(NAME, taken), "harmed on their way")
        scenarios.append(_followed(whole, late, clients, ways, shows))
        only.append(whole.id)
    harmed = {f.client for d in (*drafts.values(), trial) for _, f in d.figures}
    made = replace(
        plan,
        stack=_with_links(plan.stack, sorted(ways.made)),
        workloads={n: _workload(w, ways) if n in harmed else w for n, w in plan.workloads.items()},
        loads={n: _load(p, ways) if n in harmed else p for n, p in plan.loads.items()},
        scenarios=tuple(scenarios),
        require_proof=False,
    )
    states = dict.fromkeys(state for s in shows.values() for state in s.states)
    variant = Variant(
        name=NAME,
        title=f"{len(shows)} checks in states that they have to notice",
        why="; ".join(states),
        file=None,
        red={i: RedEvidence(evidence=s.names[0] if len(s.names) == 1 else "") for i, s in shows.items()},
        only=tuple(only),
        plan=made,
    )
    return Generated(variant=variant, shows=shows, why_not=why_not)


_SEVERITY = Severity.WARNING


def _whole(id_: str, how: str) -> ScenarioPlan:
    title = f"what clients of the whole trial see, {how}"
    return ScenarioPlan(id=id_, title=title, severity=_SEVERITY, deadline_ns=_HARM_NS)


def _free(name: str, taken: Collection[str]) -> str:
    return name if name not in taken else _free(f"{name}-too", taken)


def _followed(
    scenario: ScenarioPlan, draft: _Draft, clients: Mapping[str, Client], ways: Ways, shows: dict[str, Shows]
) -> ScenarioPlan:
    """A scenario with all that is broken in between; as it is, where nothing is."""
    if not draft.placed and not draft.figures:
        return scenario
    steps, last = _between(scenario.steps, draft.placed), _between(scenario.finally_, draft.placed)
    for one in draft.placed:
        states = tuple(s.id for s in one.step.states)
        shows[f"{scenario.id}/{one.step.id}"] = Shows(finding=f"{scenario.id}/{one.step.of}", states=states)
    begin, end = list[FaultStep](), list[FaultStep]()
    for client in clients.values():
        mine = [(i, f) for i, f in draft.figures if f.client == client.name]
        way = ways.to(client.at) if mine else None
        if way is None:
            continue
        first, then = faults_for(client, way, [f for _, f in mine])
        begin, end = begin + first, end + then
        for id_, figure in mine:
            fault = next(s for s in (*first, *then) if s.id == f"{figure.harm.word}--{client.name}")
            seen = f"{scenario.id}/{fault.id}"
            shows[id_] = Shows(finding=id_, states=(fault.title,), faults=(seen,), names=figure.paths)
    lasts = sum(s.for_ns or 0 for s in (*begin, *end))
    harmed = _HARM_NS if begin or end else 0
    return replace(
        scenario,
        steps=(*begin, *steps),
        finally_=(*_together(end), *last),  # whatever its steps came to: they have their own control
        disrupting=True,
        deadline_ns=scenario.deadline_ns + len(draft.placed) * _COUNTER_NS + lasts + harmed,
    )


def _between(steps: Sequence[Step], counters: Sequence[Placed]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        mine = [c for c in counters if c.beside == step.id]
        found += [c.step for c in mine if not c.after]
        found.append(step)
        found += [c.step for c in mine if c.after]
    return found


def _together(steps: Sequence[FaultStep]) -> list[Step]:
    """What clients are without for longer than a bound, at the same time; the rest, one after the other, before it."""
    gone = [s for s in steps if s.id.startswith(f"{Harm.GONE.word}--")]
    brief = [s for s in steps if s not in gone]
    if len(gone) < 2:
        return [*brief, *gone]
    lasts = max(s.for_ns or 0 for s in gone)
    lasting = [replace(s, for_ns=None) for s in gone[:-1]]
    heals = [HealStep(id=f"heal-{s.id}", title=f"heal {s.title}", severity=_SEVERITY, fault=s.id) for s in lasting]
    return [*brief, *lasting, replace(gone[-1], for_ns=lasts), *heals]


def _with_links(stack: StackPlan, services: Sequence[str]) -> StackPlan:
    """The stack with a link from outside to each of these services."""
    made = {
        (name := link_name(OUTSIDE, to)): ServicePlan(
            name=name, kind=KIND, arguments={"from": OUTSIDE, "to": to}, after=(to,)
        )
        for to in services
    }
    return replace(stack, services={**stack.services, **made})


# -- clients, by way of links


def _led(call: ProbeCall, ways: Ways) -> ProbeCall:
    way = ways.to(call.at)
    return call if way is None else replace(call, at=way)


def _workload(plan: WorkloadPlan, ways: Ways) -> WorkloadPlan:
    """What it reads back it reads where it did: that is the truth."""
    return replace(plan, call=_led(plan.call, ways))


def _load(plan: LoadPlan, ways: Ways) -> LoadPlan:
    return replace(
        plan,
        at=_way(plan.at, ways),
        requests=tuple(replace(r, call=_led(r.call, ways)) for r in plan.requests),
        flows=_flows(plan.flows, ways) if plan.flows is not None else None,
    )


def _way(at: Target | None, ways: Ways) -> Target | None:
    return ways.to(at) or at


def _flows(flows: UserFlows, ways: Ways) -> UserFlows:
    return replace(flows, kinds=tuple(_kind(k, ways) for k in flows.kinds))


def _kind(kind: UserKind, ways: Ways) -> UserKind:
    tasks = tuple(replace(t, steps=_user_steps(t.steps, ways)) for t in kind.tasks)
    return replace(kind, tasks=tasks, begin=_user_steps(kind.begin, ways))


def _user_steps(steps: Sequence[UserStep], ways: Ways) -> tuple[UserStep, ...]:
    return tuple(s if s.call is None else replace(s, call=_led(s.call, ways)) for s in steps)
