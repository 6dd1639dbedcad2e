"""Scenarios: steps, what must hold throughout, and expectations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.expressions import Scope, Type
from ..core.load_plans import abort_finding
from ..core.plan import Expectation, FaultStep, LoadStep, NamedCheck, ScenarioPlan
from ..core.quantities import Quantity
from ..core.shapes import BOOLEAN, CONDITION, TEXT, Field, list_of, record, reference
from ..core.verdicts import Severity
from .coverage import findings_of
from .judging import is_search_throughout
from .keys import COVERS, SEVERITY, SOME_TIME, Scene
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import BAD, Bad, Place, Reader
from .steps import Steps
from .tested import tested_patterns

SCENARIO: Mapping[str, Field] = {
    "title": Field(shape=TEXT, doc="The claim, for people."),
    "covers": COVERS,
    "severity": Field(shape=SEVERITY, doc="Of its findings that do not say theirs (blocking)."),
    "labels": Field(shape=list_of(TEXT), default=(), doc="To select by: seatrial run --labels smoke."),
    "needs": Field(
        shape=list_of(reference("scenario")),
        default=(),
        doc="Scenarios that must have passed; their saved values are here.",
    ),
    "after": Field(
        shape=list_of(reference("scenario")),
        default=(),
        doc="Scenarios that must have ended, whatever they came to; what is not selected is not waited for.",
    ),
    "alone": Field(
        shape=BOOLEAN,
        default=False,
        doc="Runs while no other scenario does: it changes what others go by, and breaks nothing.",
    ),
    "deadline": Field(
        shape=SOME_TIME, doc="For all of it (2m, and the length of the loads that its steps run).", example="3m"
    ),
    "paths": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Patterns of files, relative to the spec, that it depends on: `run --changed` leaves it out where none of them changed.",
        example="[app/**/*.py]",
    ),
    "full-length": Field(
        shape=BOOLEAN, default=False, doc="Says nothing where profiles are scaled down: not exercised."
    ),
    "throughout": Field(
        shape=list_of(reference("workload")),
        default=(),
        doc="Workloads and loads that run from its beginning to its end.",
    ),
}
PARTS = ("steps", "finally", "holds", "expect")
EXPECTATION = record(
    {
        "that": Field(shape=CONDITION, required=True, doc="The condition.", example="sales.lost == 0"),
        "covers": COVERS,
        "severity": Field(shape=SEVERITY, doc="Only blocking findings decide the trial."),
    },
    doc="an expectation",
)
TWO_MINUTES = 120_000_000_000


class Scenarios:
    """Reads scenarios. `deadline_ns`: of those that do not say theirs; `extra`: what expectations see beside workloads and loads."""

    def __init__(
        self,
        steps: Steps,
        metrics: Mapping[str, Type],
        throughout: tuple[str, ...],
        deadline_ns: int | None,
        extra: Mapping[str, Type],
    ) -> None:
        self._steps = steps
        self._reader: Reader = steps.reader
        self._metrics = metrics
        self._throughout = throughout
        self._extra = extra
        self._deadline_ns = deadline_ns or TWO_MINUTES

    def read(self, key: Scalar, node: Node, scene: Scene) -> ScenarioPlan | None:
        """One scenario; None after a problem with its form."""
        place = Place(values=Scope(names=scene.values), literal=True)
        found = self._reader.fields(node, SCENARIO, place, what="a scenario", also=PARTS)
        if isinstance(found, Bad) or not isinstance(node, MappingNode):
            return None
        if isinstance(found["severity"], str):
            scene.defaults = replace(scene.defaults, severity=Severity(found["severity"]))
        before = len(self._reader.problems)
        judged = self._reader.judged(found["throughout"], self._throughout)
        scene.ids |= dict.fromkeys(judged, node.entries["throughout"].key) if judged else {}
        abortable = tuple(n for n in found["throughout"] if n in self._reader.known.abortable)
        for name in abortable:
            scene.ids[abort_finding(name)] = key
        is_search_throughout(self._reader, node.get("throughout"), tuple(found["throughout"]))
        listed = node.get("steps")
        if listed is None or (isinstance(listed, Sequence) and not listed.items):
            self._reader.wrong(key, f"scenario {shorten(key.text)} has no steps", "steps: [{http: GET /, at: web}]")
        # What holds throughout holds from the beginning, when no step has saved anything yet.
        first = replace(scene, values=dict(scene.values), faults=[], moments=list(scene.moments))
        holds = self.named_checks(node.get("holds"), first, "holds")
        steps = self._steps.steps(listed, scene)
        last = self._steps.steps(node.get("finally"), scene)
        loads = [s.load for s in (*steps, *last) if isinstance(s, LoadStep)]
        self._once(node, (*found["throughout"], *self._throughout))
        names = (*found["throughout"], *self._throughout, *loads)
        expect = self.expectations(node.get("expect"), scene, names, self._metrics, self._extra)
        plan = ScenarioPlan(
            id=key.text,
            title=str(found["title"]) if found["title"] not in (None, BAD) else key.text.replace("-", " "),
            covers=tuple(found["covers"]),
            severity=scene.defaults.severity,
            labels=tuple(str(x) for x in found["labels"]),
            needs=tuple(found["needs"]),
            after=tuple(found["after"]),
            alone=found["alone"] is True,
            deadline_ns=int(found["deadline"].value) if isinstance(found["deadline"], Quantity) else self._deadline_ns,
            throughout=tuple(found["throughout"]),
            judged=judged,
            full_length=found["full-length"] is True,
            paths=tested_patterns(self._reader, node.get("paths"), found["paths"]),
            holds=holds,
            steps=steps,
            finally_=last,
            expect=expect,
            disrupting=any(isinstance(s, FaultStep) for s in (*steps, *last)),
            abortable=abortable,
            position=key.position(),
        )
        if len(self._reader.problems) == before and next(findings_of(plan), None) is None:
            message = f"nothing in scenario {key.text} is judged: it could never fail"
            self._reader.wrong(key, message, "expect: in a step, or for the whole scenario")
        return plan

    def _once(self, node: MappingNode, throughout: tuple[str, ...]) -> None:
        """Each load has one run in a scenario: its figures are those of that."""
        seen: dict[str, str] = dict.fromkeys(throughout, "throughout")
        for part in ("steps", "finally"):
            listed = node.get(part)
            for step in listed.items if isinstance(listed, Sequence) else ():
                load = step.get("load") if isinstance(step, MappingNode) else None
                if not isinstance(load, Scalar):
                    continue
                if load.text in seen:
                    hint = "another scenario, or a second load with the same keys"
                    self._reader.wrong(load, f"the load {load.text} runs already, {seen[load.text]}", hint)
                seen.setdefault(load.text, f"from line {load.line} on")

    def _claim(self, key: Scalar, scene: Scene, what: str) -> None:
        """A name that becomes part of a finding's id, once."""
        if self._reader.identifier(key, what) and key.text in scene.ids:
            first = scene.ids[key.text]
            whose = f"by what is in line {first.line}" if first.line > 1 else "by seatrial itself"
            self._reader.wrong(key, f"the id {shorten(key.text)} is taken", whose)
        scene.ids.setdefault(key.text, key)

    def named_checks(self, node: Node | None, scene: Scene, part: str) -> tuple[NamedCheck, ...]:
        """Checks that have their names from their keys (`steady`, `holds`)."""
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            hint = f"{part}: {{up: {{http: GET /livez, at: web}}}}"
            self._reader.wrong(node, f"{part} is a mapping of names to checks, not {describe(node)}", hint)
            return ()
        return tuple(c for key, child in node if (c := self._named_check(key, child, scene)) is not None)

    def _named_check(self, key: Scalar, node: Node, scene: Scene) -> NamedCheck | None:
        self._claim(key, scene, "a check")
        read = self._steps.named(node, scene, "a check")
        if read is None:
            return None
        check, found = read
        title = str(found["title"]) if found["title"] else f"{key.text}: {check.expect.source if check.expect else ''}"
        return NamedCheck(
            id=key.text, title=title, check=check, covers=tuple(found["covers"]), notices=tuple(found["notices"])
        )

    def expectations(
        self,
        node: Node | None,
        scene: Scene,
        workloads: tuple[str, ...],
        metrics: Mapping[str, Type],
        extra: Mapping[str, Type] | None = None,
    ) -> tuple[Expectation, ...]:
        """Named conditions over the workloads' figures."""
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            self._reader.wrong(
                node, f"expect is a mapping of names to conditions, not {describe(node)}", "no-loss: sales.lost == 0"
            )
            return ()
        names = {**scene.values, **{w: metrics[w] for w in workloads if w in metrics}, **(extra or {})}
        scope = Scope(names=names, open=scene.open)
        place = Place(scope=scope, values=Scope(names=scene.values), later=scene.later)
        found = []
        for key, child in node:
            self._claim(key, scene, "an expectation")
            entry: Any = {"that": None, "covers": (), "severity": None}
            if isinstance(child, MappingNode):
                entry = self._reader.read(child, EXPECTATION, place)
            else:
                entry["that"] = self._reader.read(child, CONDITION, place)
            if isinstance(entry, Bad) or entry["that"] in (None, BAD):
                self._explain_workload(child, metrics, workloads)
                continue
            severity = Severity(entry["severity"]) if isinstance(entry["severity"], str) else scene.defaults.severity
            found.append(
                Expectation(
                    name=key.text,
                    condition=entry["that"],
                    covers=tuple(entry["covers"]),
                    severity=severity,
                    position=key.position(),
                )
            )
        return tuple(found)

    def _explain_workload(self, node: Node, metrics: Mapping[str, Type], workloads: tuple[str, ...]) -> None:
        """A workload that exists and does not run here deserves a better hint than its neighbours' names."""
        problems = self._reader.problems
        if not problems or problems[-1].position is None or problems[-1].position.line < node.line:
            return
        for name in metrics:
            if name not in workloads and f'"{name}"' in problems[-1].message:
                hint = f"the workload {name} does not run here: throughout: [{name}]"
                problems[-1] = replace(problems[-1], hint=hint)
