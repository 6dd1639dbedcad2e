"""`seatrial check`: one probe, now."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.events import plain
from ..core.expressions import Judgement
from ..core.files import SPEC
from ..core.observations import Observation
from ..core.plan import CheckPlan, Plan
from ..core.quantities import NS_PER_S, format_duration
from ..core.redaction import Redactor
from ..core.remedies import remedy
from ..core.verdicts import Verdict, from_truth, outcome
from ..engine.probing import Prober, judge
from ..probes import close as close_probes
from ..spec import compile_check
from .directories import STACK
from .places import place
from .secrets import Secrets
from .stacks import find_kept, stack_plan
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console

_POLL_S = 0.2


def check_once(
    text: str,
    *,
    at: str | None,
    expect: str | None,
    within: str | None,
    attach: str | None,
    root: Path | None,
    as_json: bool,
    console: Console,
) -> int:
    """Attempt, show, judge; exit status 0 when it holds (or nothing was expected and there was an answer), else 1 or 2."""
    check = compile_check(text, vocabulary(), at=at, expect=expect, within=within, environment=os.environ)
    redactor = Redactor([])
    kept = find_kept(None if attach == "latest" else attach, root) if attach or check.call.at else None
    observation, judgement = asyncio.run(_attempt(check, kept, redactor))
    shown = redactor.redact(plain(observation))
    verdict = from_truth(judgement.truth)
    if as_json:
        sys.stdout.write(
            json.dumps({"verdict": verdict, "reason": judgement.reason, "observation": shown}, indent=1) + "\n"
        )
        return outcome(verdict).exit_status
    took = format_duration(observation.ended_ns - observation.started_ns)
    console.print(
        f"{observation.seen.value} at {observation.at or 'the given address'} in {took}", highlight=False, style="bold"
    )
    if observation.message:
        console.print(redactor.redact(observation.message), highlight=False, soft_wrap=True)
    for name, value in dict(shown.get("values", {})).items():
        text_of = (
            json.dumps(value, ensure_ascii=False)
            if not isinstance(value, dict) or "text" not in value
            else value["text"]
        )
        console.print(f"  {name:<12} {text_of[:300]}", highlight=False, soft_wrap=True, markup=False)
    if check.expect is not None:
        console.print(
            f"{verdict}: {check.expect.source}" + (f" ({judgement.reason})" if judgement.reason else ""),
            highlight=False,
        )
    mends = remedy(observation) if verdict is not Verdict.PASS else ""
    if mends:
        console.print(f"likely remedy: {mends}", highlight=False, soft_wrap=True, markup=False)
    return outcome(verdict).exit_status


async def _attempt(check: CheckPlan, kept: Path | None, redactor: Redactor) -> tuple[Observation, Judgement]:
    secrets = Secrets({})
    prober = Prober(vocabulary(), secrets, redactor)
    try:
        if kept is None:
            return await _until(check, prober)
        plan = _plan_of(kept)
        async with place(plan, kept, prober, Secrets(plan.secrets), redactor, attach=kept) as here:
            here.attached = True
            return await _until(check, prober)
    finally:
        await close_probes()


def _plan_of(directory: Path) -> Plan:
    """The plan that a kept stack was started from, as its trial's directory says."""
    spec, stack = (
        Path((directory / name).read_text(encoding="utf-8").strip()) if (directory / name).exists() else None
        for name in (SPEC, STACK)
    )
    return stack_plan(spec or directory, stack)


async def _until(check: CheckPlan, prober: Prober) -> tuple[Observation, Judgement]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (check.within_ns or 0) / NS_PER_S
    while True:
        observation = await prober.call(check.call, {}, check.timeout_ns)
        judgement = judge(check, observation, {"attempts": 1})
        if judgement.truth is True or loop.time() >= deadline:
            return observation, judgement
        await asyncio.sleep(_POLL_S)
