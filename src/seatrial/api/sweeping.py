"""`seatrial sweep`: every service of a stack under every fault, with nothing but an address where clients ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.expressions import did_you_mean
from ..core.links import KIND as LINK
from ..core.plan import Plan, SecretSource
from ..core.quantities import Dimension, Quantity
from ..core.sweeps import Cell, Impact
from ..core.vocabulary import FaultKind
from .quickload import quantity_of
from .running import Request, Run, run_interruptible, run_trial
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console

    from ..reports.model import TrialModel

SPECS = ("seatrial.yaml", "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "stack.yaml")
_OF_SERVICES = ("kill", "stop", "pause", "restart")
_OF_LINKS = ("cut", "latency")
_GENERATED = 24  # characters of a secret that nobody gave
_IN_FLIGHT = 500


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What was typed; quantities as text."""

    target: Path
    clients: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    all_instances: bool = False
    hold: str = "5s"
    recover: str = "30s"
    rate: str = "20/s"
    timeout: str = "2s"
    emit: Path | None = None
    gate: str | None = None
    root: Path | None = None


# Faults that a name alone does not describe: their kind, and arguments as strong as a bad day.
_STRENGTH: Mapping[str, tuple[str, dict[str, object]]] = {
    "cut": ("cut", {"how": "refuse"}),
    "black-hole": ("cut", {"how": "black-hole"}),
    "latency": (
        "latency",
        {"delay": Quantity(200_000_000, Dimension.DURATION), "distribution": "uniform", "direction": "both"},
    ),
    "loss": ("loss", {"share": Quantity(0.2, Dimension.RATIO), "direction": "both"}),
}


def sweep(given: SweepRequest, console: Console, *, as_json: bool = False) -> int:
    """Exit status 0 when every cell was exercised, 2 when one was not; 1 where `gate` says so. Raises UsageError for what cannot be
    meant.
    """
    from ..checkers.sweeping import Clients
    from ..engine.sweeping import SweepPlan, SweepTrial
    from ..reports.model import TrialModel
    from ..reports.sweep import show, summary
    from ..reports.sweep_scenarios import emitted
    from .reporting import write_reports

    gate = _gate(given.gate)
    hold, recover = (
        quantity_of(o, t, Dimension.DURATION) for o, t in (("--for", given.hold), ("--recover", given.recover))
    )
    rate = quantity_of("--rate", given.rate, Dimension.RATE)
    if hold.value < 2e9 or rate.value < 5:
        raise UsageError.simple("too little to tell anything from", "--for is at least 2s, --rate at least 5/s")
    with tempfile.TemporaryDirectory(prefix="seatrial-sweep-") as directory:
        plan, clients, notes = _plan(given, rate, Path(directory))
        cells = _cells(plan, given)
        swept = SweepPlan(
            cells=cells,
            services=tuple(n for n, p in plan.stack.services.items() if p.kind != LINK),
            faults=tuple(dict.fromkeys(c.fault for c in cells)),
            clients=clients,
            hold_ns=int(hold.value),
            recover_ns=int(recover.value),
            notes=notes,
        )
        make = partial(SweepTrial, sweep=swept, onlooker=Clients(rate.value))
        run, followed = run_interruptible(_both(plan, given, make, console, quiet=as_json))
    model = followed if followed is not None and followed.ended else TrialModel.read(run.directory)
    write_reports(run.directory, model)
    stack, requests = _of_stack(given.target), _requests(plan, clients)
    for file in (run.directory / "sweep.yaml", given.emit):
        if file is not None:
            place = os.path.relpath(stack.resolve(), file.resolve().parent) if stack is not None else ""
            file.write_text(emitted(model, stack=place, clients=requests, rate=given.rate), encoding="utf-8")
    if as_json:
        console.print_json(json.dumps({**summary(model), "directory": str(run.directory)}))
    else:
        show(model, run.directory, console, emitted_to=given.emit)
    impacts = [c.impact for c in model.swept]
    if gate is not None and any(i.rank >= gate.rank for i in impacts):
        return 1
    return 2 if not impacts or len(impacts) < len(cells) or Impact.NOT_EXERCISED in impacts else 0


async def _both(
    plan: Plan, given: SweepRequest, make: Any, console: Console, *, quiet: bool
) -> tuple[Run, TrialModel | None]:
    """The trial, beside the reader that shows it."""
    from ..reports.sweep_live import EVERY_S, SweepFollower

    follower: SweepFollower | None = None
    watch: asyncio.Task[None] | None = None

    async def look(following: SweepFollower) -> None:
        while True:
            following.look()
            await asyncio.sleep(EVERY_S)

    def started(directory: Path) -> None:
        nonlocal follower, watch
        if not quiet:
            follower = SweepFollower(directory, console)
            watch = asyncio.create_task(look(follower))

    try:
        run = await run_trial(plan, Request(root=given.root), started=started, make=make)
    finally:
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        if follower is not None:
            follower.close()
    return run, follower.model if follower is not None else None


# -- what is swept


def _file_of(target: Path) -> Path:
    """The spec or stack file behind a path."""
    if target.is_dir():
        found = next((target / n for n in SPECS if (target / n).exists()), None)
        if found is None:
            raise UsageError.simple(f"there is nothing to sweep in {target}", f"one of {', '.join(SPECS)}")
        return found
    if not target.exists():
        raise UsageError.simple(f"{target} does not exist", "a stack file, a spec, or a directory with one")
    return target


def _of_stack(target: Path) -> Path | None:
    """The stack file, where the target is none of a spec's; whoever compiles it says what is wrong with it."""
    from ..spec.nodes import Mapping as MappingNode
    from ..spec.nodes import read_file

    file = _file_of(target)
    node = read_file(file, str(file), [])
    return file if isinstance(node, MappingNode) and "seatrial" not in node.entries else None


def _plan(given: SweepRequest, rate: Quantity, directory: Path) -> tuple[Plan, dict[str, str], tuple[str, ...]]:
    """The plan without its scenarios, its clients in words, and what there is to say. Raises UsageError with every problem."""
    from ..spec import compile_spec
    from ..spec.health import entries, request_of

    file, stack = _file_of(given.target), _of_stack(given.target)
    if stack is not None:
        file = directory / "seatrial.yaml"
        place = str(stack.resolve())
        everything = {"steps": [{"services": "all", "expect": "missing == []"}]}
        file.write_text(
            json.dumps(
                {"seatrial": 1, "name": f"sweep {_name(stack)}", "stack": place, "scenarios": {"there": everything}}
            ),
            encoding="utf-8",
        )
    over: dict[str, Any] = {}
    wanted = [_fault(n)[0] for n in given.faults]
    compile_ = partial(compile_spec, file, vocabulary(), environment=os.environ)
    plan = compile_()
    if plan.stack.platform == "remote":
        raise UsageError.simple(
            "a remote stack cannot be swept", "nothing there can be killed: a stack that seatrial starts"
        )
    links = any(p.kind == LINK for p in plan.stack.services.values())
    if any(k.on_links for k in wanted) and not links:
        over["stack"] = {"links": "all"}
    requests: dict[str, Any] = {}
    own: list[str] = []
    for text in given.clients:
        if text in plan.workloads:
            own.append(text)
            continue
        name, request = _client(text, plan, len(requests), request_of)
        requests[name] = request
    if not given.clients:
        requests = {f"at-{n}": r for n, r in entries(plan.stack).items()}
    if not requests and not own:
        hint = "--client http://127.0.0.1:8080/, --client web, --client web/items"
        raise UsageError.simple("no client could be made of a readiness check", hint)
    common = {"rate": given.rate, "timeout": given.timeout, "in-flight": _IN_FLIGHT}
    over["spec"] = {"workloads": {n: {**r, **common} for n, r in requests.items()}}
    overlay = directory / "sweep-overlay.yaml"
    overlay.write_text(json.dumps(over), encoding="utf-8")
    plan = compile_(overlays=[overlay])
    names = (*own, *requests)
    # A spec's own clients ask what they ask there, at the small rate of a sweep, and nothing is read back.
    small: dict[str, Any] = {"arrivals": {"constant": rate}, "retries": 0, "resend": 0.0, "in_flight": _IN_FLIGHT}
    small |= {"model": None, "read_back": None, "initial": None}
    workloads = {n: replace(plan.workloads[n], answers=plan.workloads[n].call.verb == "http", **small) for n in names}
    words = {n: f"{w.call.what} at {w.call.at}" if w.call.at else str(w.call.what) for n, w in workloads.items()}
    plan, notes = _secrets(plan)
    plan = replace(
        plan,
        scenarios=(),
        expect=(),
        requirements={},
        steady=(),
        workloads=workloads,
        loads={},
        throughout=names,
        warnings=(),
        setup=plan.setup,
    )
    return plan, words, notes


def _name(stack: Path) -> str:
    return stack.resolve().parent.name if stack.stem in ("stack", "compose", "docker-compose") else stack.stem


def _secrets(plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """Secrets that nobody has set are made: everything starts from nothing here."""
    made = [n for n, s in plan.secrets.items() if s.environment is not None and s.environment not in os.environ]
    secrets = {**plan.secrets, **{n: SecretSource(name=n, generate=_GENERATED) for n in made}}
    said = (f"made for this sweep, as nobody has set them: {', '.join(made)}",) if made else ()
    return replace(plan, secrets=secrets), said


def _client(text: str, plan: Plan, number: int, request_of: Any) -> tuple[str, dict[str, Any]]:
    """An address, a service, or a service and a path. Raises UsageError."""
    if "://" in text:
        return f"client-{number + 1}", {"http": f"GET {text}"}
    service, slash, path = text.partition("/")
    known = plan.stack.services
    if service not in known:
        names = [*known, *plan.workloads]
        raise UsageError.simple(
            f"--client {text}: the stack has no service {service}",
            f"an address with http://, a service ({', '.join(known)}), or SERVICE/PATH. {did_you_mean(service, names)}".rstrip(),
        )
    if slash:
        return f"at-{service}", {"http": f"GET /{path}", "at": service}
    request = request_of(known[service], plan.stack)
    if request is None:
        raise UsageError.simple(
            f"--client {text}: it is not known what {service} can be asked", f"--client {text}/PATH"
        )
    return f"at-{service}", request


def _requests(plan: Plan, clients: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """As a spec has them."""
    calls = {n: plan.workloads[n].call for n in clients}
    return {
        n: {
            c.verb: str(c.what),
            **({"at": str(c.at)} if c.at else {}),
            "timeout": str(Quantity(plan.workloads[n].timeout_ns, Dimension.DURATION)),
        }
        for n, c in calls.items()
    }


def _fault(name: str) -> tuple[FaultKind, dict[str, object]]:
    """A column: the kind of fault, and its arguments. Raises UsageError."""
    kinds = vocabulary().faults
    kind, arguments = _STRENGTH.get(name, (name, {}))
    known = sorted({*_STRENGTH, *(n for n, k in kinds.items() if not any(a.required for a in k.arguments.values()))})
    if kind not in kinds or name not in known:
        raise UsageError.simple(
            f"--faults {name}: it cannot be swept", f"faults: {', '.join(known)}. {did_you_mean(name, known)}".rstrip()
        )
    defaults = {n: a.default for n, a in kinds[kind].arguments.items() if a.default is not None}
    return kinds[kind], {**defaults, **arguments}


def _cells(plan: Plan, given: SweepRequest) -> tuple[Cell, ...]:
    """Row by row. Raises UsageError for services and faults that there are none of, and where nothing is left."""
    services = {n: p for n, p in plan.stack.services.items() if p.kind != LINK}
    links = [n for n, p in plan.stack.services.items() if p.kind == LINK]
    for name in (n for n in given.services if n not in services):
        hint = f"services: {', '.join(services)}. {did_you_mean(name, services)}".rstrip()
        raise UsageError.simple(f"--services {name}: the stack has none of that name", hint)
    names = given.faults or (*_OF_SERVICES, *(_OF_LINKS if links else ()))
    kinds = {n: _fault(n) for n in names}
    cells: list[Cell] = []
    for service in given.services or services:
        for name, (kind, arguments) in kinds.items():
            cell = partial(Cell, fault=name, kind=kind.name, arguments=arguments)
            if not kind.on_links:
                cells.append(cell(service=service, target=_victim(plan, service, given)))
    for link in links:
        if given.services and not {p.strip() for p in link.split("->")} & set(given.services):
            continue
        cells += [
            Cell(service=link, fault=n, kind=k.name, arguments=a, target=link)
            for n, (k, a) in kinds.items()
            if k.on_links
        ]
    if not cells:
        raise UsageError.simple("there is nothing to sweep", "faults of links need links: links: all in the stack file")
    return tuple(cells)


def _victim(plan: Plan, service: str, given: SweepRequest) -> str:
    """Whoever leads, where the service's kind has roles; else its first instance; or all of it."""
    if given.all_instances:
        return f"{service} *"
    roles = (
        vocabulary().kinds[plan.stack.services[service].kind].roles
        if plan.stack.services[service].kind in vocabulary().kinds
        else ()
    )
    return f"{service}/{roles[0]}" if roles else f"{service}#1"


def _gate(text: str | None) -> Impact | None:
    if text is None:
        return None
    words = {i.value.replace(" ", "-"): i for i in Impact if i.rank > 0}
    if text not in words:
        raise UsageError.simple(f"--gate {text}: what clients saw is none of that", f"one of {', '.join(words)}")
    return words[text]


__all__: Sequence[str] = ("SweepRequest", "sweep")
