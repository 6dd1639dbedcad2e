"""When a load is stopped before its end: its conditions, looked at each second over what it showed in the last seconds.

A condition that is unknown stops nothing. A load that ran on passes when each of its conditions was seen to be false at least once, in
its last seconds or over the whole of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.expressions import Missing
from ..core.load_plans import AbortRule
from ..core.quantities import Dimension, Quantity
from ..core.results import Evidence, Finding
from ..core.verdicts import Severity, Verdict
from ..core.workloads import Window, Workload
from .ledger import Ledger

_SHOWN = ("offered", "rate", "served", "p50", "p95", "p99", "errors")


@dataclass(frozen=True, kw_only=True)
class Abort:
    """Why a load is stopped, and what it showed at that moment."""

    condition: str
    reason: str
    measured: str
    at_ns: int
    figures: Mapping[str, str]


class AbortWatch:
    """What is known of a load's conditions. `look` is called about each second. Times in ns of CLOCK_MONOTONIC."""

    def __init__(self, rules: Sequence[AbortRule], began_ns: int) -> None:
        self.rules = tuple(rules)
        self.abort: Abort | None = None
        self.broken = ""  # why nobody looks any more
        self._began_ns = began_ns
        self._since: list[int | None] = [None] * len(self.rules)
        self._told = [False] * len(self.rules)

    @property
    def conditions(self) -> str:
        """In words."""
        return ", ".join(r.when.source for r in self.rules)

    def look(self, metrics: Mapping[str, object], now_ns: int) -> Abort | None:
        """Whether one of them has been true for long enough now."""
        for place, rule in enumerate(self.rules):
            if now_ns < self._began_ns + rule.after_ns:
                continue
            judgement = rule.when.evaluate(metrics)
            self._told[place] |= judgement.truth is False
            since = self._since[place]
            if judgement.truth is not True:
                self._since[place] = None
                continue
            since = self._since[place] = now_ns if since is None else since
            if now_ns - since >= rule.for_ns:
                measured = ", ".join(f"{path} = {value}" for path, value in judgement.measured)
                lasted, begin = (Quantity(ns, Dimension.DURATION) for ns in (now_ns - since, now_ns - self._began_ns))
                self.abort = Abort(
                    condition=rule.when.source,
                    reason=f"aborted {begin} after its start: {rule.when.source} for {lasted} ({measured})",
                    measured=measured,
                    at_ns=now_ns,
                    figures=_texts(metrics),
                )
                return self.abort
        return None

    @property
    def told(self) -> bool:
        """Whether each condition was seen to be false at least once: nothing else has to be asked then."""
        return all(self._told)

    def verdict(self, whole: Mapping[str, object]) -> tuple[Verdict, str]:
        """Whether it was right to go on, and why not; `whole`: the metrics of the whole load, for what its last seconds did not tell."""
        if self.abort is not None:
            return Verdict.FAIL, self.abort.reason
        if self.broken:
            return Verdict.INCONCLUSIVE, f"it was not looked at to its end: {self.broken}"
        for rule, told in zip(self.rules, self._told, strict=True):
            if told:
                continue
            judgement = rule.when.evaluate(whole)
            if judgement.truth is True:
                late = Quantity(rule.after_ns + rule.for_ns, Dimension.DURATION)
                return (
                    Verdict.INCONCLUSIVE,
                    f"{rule.when.source} over all of it, which was too short to be aborted ({late})",
                )
            if judgement.truth is None:
                return Verdict.INCONCLUSIVE, f"whether {rule.when.source} was never known: {judgement.reason}"
        return Verdict.PASS, ""


def _texts(metrics: Mapping[str, object]) -> dict[str, str]:
    return {n: str(v) for n in _SHOWN if (v := metrics.get(n)) is not None and not isinstance(v, Missing)}


async def judge_not_aborted(
    ledger: Ledger, id_: str, watch: AbortWatch | None, workload: Workload | None, began_ns: int, severity: Severity
) -> Finding:
    """The finding of a load that may be aborted; of one that does not run nothing was shown."""
    if watch is None or workload is None:
        return ledger.inconclusive(id_, "not exercised: the load did not run")
    now = time.monotonic_ns()
    window = Window(from_ns=began_ns, to_ns=now)
    whole = await asyncio.to_thread(workload.figures, window, (), None, None)
    verdict, reason = watch.verdict(whole.metrics)
    if verdict is Verdict.PASS and whole.detail.get("invalid"):
        verdict, reason = Verdict.INCONCLUSIVE, str(whole.detail["invalid"])
    planned, abort = ledger.planned[id_], watch.abort
    evidence = Evidence(
        kind="operations",
        summary=reason or "none of its conditions was true for so long",
        at_ns=abort.at_ns if abort else now,
        data={"conditions": watch.conditions, "figures": dict(abort.figures) if abort else {}},
    )
    return ledger.judge(
        Finding(
            id=id_,
            scenario=planned.scenario,
            claim=planned.claim,
            verdict=verdict,
            covers=planned.covers,
            severity=severity,
            measured=abort.measured if abort else "it ran on",
            bound=f"not {watch.conditions}",
            reason=reason,
            began_ns=began_ns,
            ended_ns=now,
            evidence=(evidence,),
        )
    )
