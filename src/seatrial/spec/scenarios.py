"""Scenarios: steps, what must hold throughout, expectations; in YAML and in Python."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import Position, Problem
from ..core.expressions import Scope, Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import Expectation, FaultStep, NamedCheck, PythonBody, ScenarioPlan
from ..core.quantities import Dimension, Quantity, QuantityError, parse_quantity
from ..core.scenarios import ATTRIBUTE, Declaration
from ..core.shapes import CONDITION, DURATION, TEXT, Field, list_of, record, reference
from ..core.verdicts import Severity
from ..core.vocabulary import Vocabulary
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, shorten
from .reading import BAD, Bad, Place, Reader
from .steps import COVERS, SEVERITY, Scene, Steps

SCENARIO: Mapping[str, Field] = {
    "title": Field(shape=TEXT, doc="The claim, for people."),
    "covers": COVERS,
    "severity": Field(shape=SEVERITY, default=Severity.BLOCKING.value, doc="Only blocking findings decide the trial."),
    "labels": Field(shape=list_of(TEXT), default=(), doc="To select by: seatrial run --labels smoke."),
    "needs": Field(
        shape=list_of(reference("scenario")),
        default=(),
        doc="Scenarios that must have passed; their saved values are here.",
    ),
    "deadline": Field(shape=DURATION, doc="For all of it (2m).", example="3m"),
    "throughout": Field(
        shape=list_of(reference("workload")), default=(), doc="Workloads that run from its beginning to its end."
    ),
}
PARTS = ("steps", "finally", "holds", "expect")
EXPECTATION = record(
    {
        "that": Field(shape=CONDITION, required=True),
        "covers": COVERS,
        "severity": Field(shape=SEVERITY, default=Severity.BLOCKING.value),
    },
    doc="an expectation",
)
_TWO_MINUTES = 120_000_000_000


class Scenarios:
    """Reads scenarios."""

    def __init__(
        self, steps: Steps, vocabulary: Vocabulary, metrics: Mapping[str, Type], throughout: tuple[str, ...]
    ) -> None:
        self._steps = steps
        self._reader: Reader = steps.reader
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._throughout = throughout

    def read(self, key: Scalar, node: Node, scene: Scene) -> ScenarioPlan | None:
        """One scenario; None after a problem with its form."""
        place = Place(values=Scope(names=scene.values))
        found = self._reader.fields(node, SCENARIO, place, what="a scenario", also=PARTS)
        if isinstance(found, Bad) or not isinstance(node, MappingNode):
            return None
        if "steps" not in node.entries:
            self._reader.wrong(node, f"scenario {shorten(key.text)} has no steps", "steps: [{http: GET /, at: web}]")
        steps = self._steps.steps(node.get("steps"), scene)
        holds = self._holds(node.get("holds"), scene)
        last = self._steps.steps(node.get("finally"), scene)
        disrupting = any(isinstance(s, FaultStep) for s in (*steps, *last))
        names = (*found["throughout"], *self._throughout)
        expect = self.expectations(node.get("expect"), scene, names, self._metrics)
        self._clashes(expect, holds, scene)
        return ScenarioPlan(
            id=key.text,
            title=str(found["title"]) if found["title"] not in (None, BAD) else key.text.replace("-", " "),
            covers=tuple(found["covers"]),
            severity=Severity(found["severity"]) if isinstance(found["severity"], str) else Severity.BLOCKING,
            labels=tuple(str(x) for x in found["labels"]),
            needs=tuple(found["needs"]),
            deadline_ns=int(found["deadline"].value) if isinstance(found["deadline"], Quantity) else _TWO_MINUTES,
            throughout=tuple(found["throughout"]),
            holds=holds,
            steps=steps,
            finally_=last,
            expect=expect,
            disrupting=disrupting,
            position=key.position(),
        )

    def _clashes(self, expect: tuple[Expectation, ...], holds: tuple[NamedCheck, ...], scene: Scene) -> None:
        for name in (*(e.name for e in expect), *(h.id for h in holds)):
            if name in scene.ids:
                place = next((e.position for e in expect if e.name == name), None)
                message = f"the id {shorten(name)} is taken by the step in line {scene.ids[name].line}"
                self._reader.problems.append(Problem(message=message, position=place))

    def _holds(self, node: Node | None, scene: Scene) -> tuple[NamedCheck, ...]:
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            self._reader.wrong(
                node,
                f"holds is a mapping of names to checks, not {describe(node)}",
                "holds: {up: {http: GET /livez, at: web}}",
            )
            return ()
        return tuple(c for key, child in node if (c := self.named_check(key, child, scene)) is not None)

    def named_check(self, key: Scalar, node: Node, scene: Scene) -> NamedCheck | None:
        """A check with a name of its own (steady state, holds)."""
        inner = Scene(values=scene.values, later=scene.later, faults=list(scene.faults))
        step = self._steps.step(node, inner)
        if step is None:
            return None
        check = getattr(step, "check", None)
        if check is None or check.expect is None:
            self._reader.wrong(node, f"{shorten(key.text)} is no check", "a probe with an expectation")
            return None
        given = isinstance(node, MappingNode) and "title" in node.entries
        return NamedCheck(
            id=key.text,
            title=step.title if given else f"{key.text}: {check.expect.source}",
            check=check,
            covers=step.covers,
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
        scope = Scope(names={**scene.values, **{w: metrics[w] for w in workloads if w in metrics}, **(extra or {})})
        place = Place(scope=scope, values=Scope(names=scene.values))
        found = []
        for key, child in node:
            entry: Any = {"that": None, "covers": (), "severity": Severity.BLOCKING.value}
            if isinstance(child, MappingNode):
                entry = self._reader.read(child, EXPECTATION, place)
            else:
                entry["that"] = self._reader.read(child, CONDITION, place)
            if isinstance(entry, Bad) or entry["that"] in (None, BAD):
                self._explain_workload(child, metrics, workloads)
                continue
            severity = Severity(entry["severity"]) if isinstance(entry["severity"], str) else Severity.BLOCKING
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
        if not self._reader.problems:
            return
        last = self._reader.problems[-1]
        for name in metrics:
            if name not in workloads and f'"{name}"' in last.message:
                self._reader.problems[-1] = replace(
                    last, hint=f"the workload {name} does not run here: throughout: [{name}]"
                )

    # -- Python

    def python(self, node: Scalar, directory: Path, files: list[Path]) -> list[ScenarioPlan]:
        """The scenarios of a Python file."""
        text = self._reader.text(node)
        if isinstance(text, Bad):
            return []
        path = (directory / text).resolve()
        if not path.exists():
            self._reader.wrong(node, f"{path} does not exist")
            return []
        files.append(path)
        module = self._import(node, path)
        if module is None:
            return []
        declared = [d for v in vars(module).values() if isinstance(d := getattr(v, ATTRIBUTE, None), Declaration)]
        if not declared:
            self._reader.wrong(node, f"{path.name} has no scenario", "decorate one with @seatrial.scenario(...)")
        return [plan for d in declared if (plan := self._declared(d, path)) is not None]

    def _import(self, node: Scalar, path: Path) -> Any:
        name = f"seatrial_scenarios_{abs(hash(str(path)))}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            self._reader.wrong(node, f"{path} cannot be imported")
            return None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # noqa: BLE001 - their file, their mistake
            del sys.modules[name]
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
            line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else 1) or 1
            lines = path.read_text(encoding="utf-8").splitlines()
            shown = lines[line - 1] if 0 < line <= len(lines) else ""
            position = Position(file=str(path), line=line, column=1)
            self._reader.problems.append(
                Problem(message=f"{type(error).__name__}: {error}", position=position, line_text=shown)
            )
            return None
        return module

    def _declared(self, declaration: Declaration, path: Path) -> ScenarioPlan | None:
        known = self._reader.known
        position = Position(file=str(path), line=declaration.line, column=1)
        wrong = [
            *_unknown("requirement", declaration.covers, known.requirements),
            *_unknown("service", declaration.services, known.services),
            *_unknown("scenario", declaration.needs, known.scenarios),
            *_unknown("workload", declaration.throughout, known.workloads),
            *_unknown("fault", declaration.faults, self._vocabulary.faults),
        ]
        try:
            deadline = int(parse_quantity(declaration.deadline, Dimension.DURATION).value)
        except QuantityError as error:
            wrong.append((str(error), ""))
            deadline = _TWO_MINUTES
        self._reader.problems += [
            Problem(message=f"scenario {declaration.id}: {m}", position=position, hint=h) for m, h in wrong
        ]
        body = PythonBody(
            file=path, function=declaration.function, faults=declaration.faults, services=declaration.services
        )
        return ScenarioPlan(
            id=declaration.id,
            title=declaration.title,
            covers=declaration.covers,
            labels=declaration.labels,
            needs=declaration.needs,
            deadline_ns=deadline,
            throughout=declaration.throughout,
            disrupting=bool(declaration.faults),
            python=body,
            position=position,
        )


def _unknown(what: str, names: tuple[str, ...], known: Mapping[str, object]) -> list[tuple[str, str]]:
    return [
        (
            f"unknown {what} {shorten(n)}",
            f"there are: {listing(known, 20) or 'none'}. {did_you_mean(n, known)}".rstrip(),
        )
        for n in names
        if n not in known
    ]
