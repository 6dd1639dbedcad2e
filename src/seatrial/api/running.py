"""Composition: a plan, a platform, a keeper, clients and a journal become a trial."""

from __future__ import annotations

import asyncio
import os
import platform as python_platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..attestation.fingerprinting import PlanFingerprinter, Since
from ..attestation.seals import seal_trial
from ..core.clusters import HERE, Cluster
from ..core.errors import Interrupted, Problem, SeatrialError, UsageError
from ..core.load_plans import LoadPlan
from ..core.plan import Plan, ProbeStep, WorkloadPlan, calls_in
from ..core.processes import Residue
from ..core.proofs import Proof, Reaction, State
from ..core.redaction import Redactor
from ..core.usage import JudgeUsage
from ..core.verdicts import Outcome
from ..core.workloads import Adopt, Load, LoadRun, RenderedRequest, Workload, WorkloadMaker
from ..engine.journal import Journal
from ..engine.ledger import Ledger
from ..engine.probing import Prober
from ..engine.proving import Wanted
from ..engine.schedule import select
from ..engine.trial import Options, Result, Trial
from ..probes import close as close_probes
from ..probes import prepare as prepare_probes
from .directories import new_trial
from .places import Place, place
from .proofs import proven
from .remembering import remember_trial
from .secrets import Secrets
from .vocabulary import vocabulary


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller wants of a run."""

    only: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # of users, which the plan's loads run alone
    skip_tags: tuple[str, ...] = ()
    keep: bool = False
    fail_fast: bool = False
    attach: Path | None = None  # the trial directory of a kept stack
    since: Path | None = None  # a directory that says what the first round of many tested
    root: Path | None = None
    variant: str = ""
    selected: str = ""  # what else chose the scenarios of `only`, for people
    on: Cluster = HERE  # where loads are sent from
    proving: Wanted | None = None  # prove its checks as well
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # of checks, by finding
    command: tuple[str, ...] = field(default_factory=lambda: tuple(sys.argv))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run."""

    directory: Path
    outcome: Outcome
    ledger: Ledger
    residue: Residue
    proofs: tuple[Proof, ...] = ()
    states: tuple[State, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)  # services that were not here, and why
    mute: frozenset[str] = frozenset()
    interrupted: bool = False


def check_selection(plan: Plan, request: Request) -> None:
    """Raises UsageError for a scenario or label that the plan does not have."""
    ids = {s.id for s in plan.scenarios}
    labels = {label for s in plan.scenarios for label in s.labels}
    unknown = [n for n in request.only if n not in ids]
    if unknown:
        raise UsageError.simple(f"no scenario {', '.join(unknown)}", f"scenarios: {', '.join(sorted(ids))}")
    unknown = [n for n in request.labels if n not in labels]
    if unknown:
        raise UsageError.simple(f"no label {', '.join(unknown)}", f"labels: {', '.join(sorted(labels)) or 'none'}")


def check_cluster(plan: Plan, on: Cluster) -> None:
    """Raises UsageError for a cluster that nothing is sent from, and where there is no Dask to reach one with."""
    if on.address and not plan.loads:
        raise UsageError.simple("--on: the spec has no load", "loads: {shoppers: {http: GET /, at: web, rate: 100/s}}")
    tools = [f"{load.name} ({load.tool.name})" for load in plan.loads.values() if load.tool is not None]
    if on.address and tools:
        raise UsageError.simple(
            f"--on: {', '.join(tools)} can be sent from this machine alone", "give the other loads on: in the spec"
        )
    if plan.loads and (on.address or any(load.on for load in plan.loads.values())):
        from ..load.dask import library

        library()


async def run_trial(
    plan: Plan,
    request: Request,
    *,
    started: Callable[[Path], None] = lambda _: None,
    placed: Callable[[Place], None] = lambda _: None,
    make: Callable[..., Trial] = Trial,
) -> Run:
    """Run a plan once. `started` is told the trial's directory as soon as it exists, so that readers can follow; `placed` where it runs;
    `make`: the trial's class, or what takes its arguments.

    Cancelling the task stops and heals; the journal is whole in every case. Raises UsageError for what the caller got
    wrong, before anything is started.
    """
    check_selection(plan, request)
    check_cluster(plan, request.on)
    secrets = Secrets(plan.secrets)
    _check_secrets(plan, secrets)
    directory = new_trial(plan.name, plan.file, request.root, plan.stack_file)
    redactor = Redactor([])
    words = vocabulary()
    prober = Prober(words, secrets, redactor)
    users = (*(f"tag {x}" for x in request.tags), *(f"without tag {x}" for x in request.skip_tags))
    chosen = (request.selected,) if request.selected else request.only
    selection = ", ".join((*chosen, *(f"label {x}" for x in request.labels), *users))
    known = proven(plan, request.root)
    options = Options(
        trial=directory.name,
        version=__version__,
        command=request.command,
        start=request.attach is None and plan.stack.platform != "remote",
        keep=request.keep,
        fail_fast=request.fail_fast,
        selection=selection,
        variant=request.variant,
        proving=request.proving,
        fingerprints=request.fingerprints or known[0],
        proven=known[1],
    )
    maker, judge_usage = _judges(plan, request.on)
    with Journal(directory, redactor) as journal:
        started(directory)
        async with place(plan, directory, prober, secrets, redactor, keep=request.keep, attach=request.attach) as here:
            prober.adopt = here.adopt
            placed(here)
            trial = make(
                plan,
                select(plan, request.only, request.labels),
                options,
                platform=here.platform,
                vocabulary=words,
                prober=prober,
                maker=maker,
                journal=journal,
                redactor=redactor,
                adopt=here.adopt,
                end=here.end,
                machine=machine(),
                judge_usage=judge_usage,
                fingerprinter=PlanFingerprinter(
                    plan=plan, version=__version__, directory=directory, secret=secrets.given, since=_since(request)
                ),
            )
            await prepare_probes(verbs_of(plan))
            try:
                result: Result = await trial.run()
            finally:
                await close_probes()
                written = journal.written
    seal_trial(directory, written)
    remember_trial(directory)
    return Run(
        directory=directory,
        outcome=result.outcome,
        ledger=result.ledger,
        residue=result.residue,
        proofs=result.proofs,
        states=result.states,
        reactions=result.reactions,
        without=result.without,
        mute=result.mute,
    )


def _since(request: Request) -> list[Since]:
    """What must be what it was already when this trial begins."""
    found = [Since(directory=request.attach, when="when the stack was brought up")] if request.attach else []
    first = [Since(directory=request.since, when="in the first round", whole=True)] if request.since else []
    return found + first


def _judges(plan: Plan, on: Cluster) -> tuple[WorkloadMaker, JudgeUsage]:
    """Who makes clients and who judges usage. NumPy comes with them: it is imported here, before a clock runs, and not for a plan that
    has neither clients nor a stack of its own.
    """
    if not (plan.workloads or plan.loads or plan.stack.platform != "remote"):
        return _Nobody(), lambda _samples, _window: {}
    from ..checkers.usage import usage_figures
    from .workloads import Maker

    return Maker(on), usage_figures


class _Nobody:
    """core.workloads.WorkloadMaker of a plan that has nothing to make."""

    async def start(
        self, plan: WorkloadPlan, request: RenderedRequest, directory: Path, prefix: str, adopt: Adopt
    ) -> Workload:
        raise SeatrialError(f"no maker for workload {plan.name}")

    async def start_load(
        self,
        plan: LoadPlan,
        requests: Sequence[RenderedRequest],
        directory: Path,
        adopt: Adopt,
        run: LoadRun | None = None,
    ) -> Load:
        raise SeatrialError(f"no maker for load {plan.name}")


def _check_secrets(plan: Plan, secrets: Secrets) -> None:
    """Ask for each declared secret before anything starts."""
    problems: list[Problem] = []
    for name in plan.secrets:
        try:
            secrets(name)
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(*problems)


def verbs_of(plan: Plan) -> set[str]:
    """Every verb that a plan will use: their clients are imported before a clock runs."""
    steps = [*plan.setup, *(s for x in plan.scenarios for s in (*x.steps, *x.finally_))]
    checks = [s.check for s in steps if isinstance(s, ProbeStep)]
    checks += [n.check for n in (*plan.steady, *(h for x in plan.scenarios for h in x.holds))]
    kinds = {s.kind for s in plan.stack.services.values()}
    return (
        {call.verb for c in checks for call in calls_in(c.call)}
        | {"http"}
        | {v for k, v in (("postgres", "sql"), ("redis", "redis")) if k in kinds}
    )


def machine() -> dict[str, Any]:
    """What the trial ran on, for the report."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": python_platform.platform(terse=True),
        "cpus": os.cpu_count(),
        "memory_bytes": memory,
        "python": python_platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary user",
    }


def run_interruptible(main: Any, stopped: Callable[[], None] = lambda: None) -> Any:
    """Run a coroutine; the first Ctrl-C (or SIGTERM) cancels it so that it stops and heals, the second leaves at once. `stopped` is called
    at the first.

    Left at once, the keeper still heals and ends everything by itself. Raises Interrupted where it had nothing to show for itself yet.
    """

    async def guarded() -> Any:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()
        stops = 0

        def stop() -> None:
            nonlocal stops
            stops += 1
            if stops > 1:
                sys.stderr.write("\nseatrial: leaving; the keeper heals and ends what is left\n")
                sys.stderr.flush()
                os._exit(2)
            sys.stderr.write("\nseatrial: stopping and healing; once more leaves that to the keeper\n")
            stopped()
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        return await task

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise Interrupted("interrupted before there was anything to judge") from None


__all__: Sequence[str] = ("Request", "Run", "check_selection", "machine", "run_interruptible", "run_trial")
