"""The compiler: files in, a frozen Plan out, or every mistake of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.expressions import Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.load_plans import LoadPlan, abort_finding
from ..core.plan import BEGIN, SETUP, STACK_METRICS, NamedCheck, Plan, ScenarioPlan, SecretSource, WorkloadPlan
from ..core.quantities import Quantity
from ..core.shapes import ANY, DURATION, TEXT, Field, list_of, mapping_of
from ..core.stack import StackPlan
from ..core.verdicts import Severity
from ..core.vocabulary import Vocabulary
from .compose import ComposeStacks, is_compose
from .coverage import check_requirements, secrets_used
from .health import written_out
from .identities import outlived, read_identities, read_secrets
from .including import Includes
from .judging import is_search_throughout, named_by, no_search_in_setup
from .keys import OWN_NAMES, SEVERITY, SOME_TIME, Defaults, Scene
from .linting import lint
from .loads import Loads
from .metrics import load_metrics_type, metrics_type, usage_type
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, is_file, merge, read_file, read_text, shorten
from .nodes import Sequence as SequenceNode
from .profiles import Choice, Profiles, with_time_for_loads
from .python import PythonScenarios
from .reading import BAD, Bad, Place, Reader
from .repeating import Repeats
from .requirements import read_requirements
from .saves import Saves, circle, in_order_of_needs, needs_of, new_values
from .scenarios import SCENARIO, Scenarios
from .stacks import Stacks
from .steps import Steps
from .tested import read_tested_files, read_waivers
from .tools import tools_in
from .top import check_top, wants_proof
from .variants import Overlay, check_overlay, overlay_of
from .workloads import Workloads

DEFAULTS = {
    "within": Field(shape=DURATION, doc="For every step without its own.", example="30s"),
    "timeout": Field(shape=SOME_TIME, doc="Of a single attempt.", example="2s"),
    "every": Field(shape=SOME_TIME, doc="Time between attempts.", example="500ms"),
    "deadline": Field(shape=SOME_TIME, doc="Of a scenario (2m).", example="3m"),
    "severity": Field(shape=SEVERITY, doc="Of findings that do not say theirs."),
}
PYTHON = list_of(TEXT)
SCENARIOS_OF_SEATRIAL = ("setup", "steady", "trial")
TRIAL = Type.record({"id": Type.TEXT, "directory": Type.TEXT})
OVER = Type.record({**TRIAL.fields, "took": Type.DURATION})  # a trial that is over, in its own expectations
SPEC = Type.record({"directory": Type.TEXT})


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What is known before scenarios are read."""

    name: str
    values: dict[str, object]
    stack: StackPlan
    requirements: Mapping[str, Any]


def compile_spec(
    path: Path,
    vocabulary: Vocabulary,
    *,
    environment: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    overlays: Sequence[Path] = (),
    stack_override: Path | None = None,
    profiles: Choice | None = None,
) -> Plan:
    """Compile a spec; `stack_override` is a stack file to use in place of its own, `profiles` what the caller wants of those.

    Raises UsageError with every problem of all its files.
    """
    compiler = _Compiler(path, vocabulary, environment, variables or {}, stack_override)
    compiler.choice = profiles or compiler.choice
    plan = compiler.plan(overlays)
    if compiler.reader.problems or plan is None:
        raise UsageError(*ordered(compiler.reader.problems))
    return plan


def ordered(problems: Sequence[Problem]) -> list[Problem]:
    """By file and place, each once and with its line."""
    unique = dict.fromkeys(with_line(p) for p in problems)
    return sorted(
        unique, key=lambda p: (p.position.file, p.position.line, p.position.column) if p.position else ("", 0, 0)
    )


def with_line(problem: Problem) -> Problem:
    """The problem with the text of its line, where the file has it."""
    if problem.line_text or problem.position is None:
        return problem
    try:
        lines = Path(problem.position.file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return problem
    number = problem.position.line
    return replace(problem, line_text=lines[number - 1] if 0 < number <= len(lines) else "")


class _Compiler:
    """One compilation."""

    def __init__(
        self,
        path: Path,
        vocabulary: Vocabulary,
        environment: Mapping[str, str],
        variables: Mapping[str, str],
        stack_override: Path | None,
    ) -> None:
        self.path = path
        self.directory = path.resolve().parent
        self.vocabulary = vocabulary
        self.variables = variables
        self.stack_override = stack_override
        self.reader = Reader(environment)
        self.files: list[Path] = [path]
        self.metrics: dict[str, Type] = {}
        self.choice = Choice()
        self.left_out: tuple[str, ...] = ()

    def plan(self, overlays: Sequence[Path]) -> Plan | None:
        root = read_file(self.path, str(self.path), self.reader.problems)
        includes = Includes(self.reader, self.path)
        root = includes.resolve(root, self.path) if root is not None else None
        over = [overlay_of(p, self.reader) for p in overlays]
        self.files += [*includes.files, *overlays]
        for overlay in over:
            root = merge(root, overlay.spec) if root is not None and overlay.spec is not None else root
        if root is None:
            return None
        if not isinstance(root, MappingNode):
            self.reader.wrong(root, f"a spec is a mapping, not {describe(root)}", "begin with seatrial: 1")
            return None
        root = Repeats(self.reader).spec(root)
        check_top(self.reader, root)
        name = self._name(root)
        values = self._values(root)
        stack = self._stack(root, name, values, [o.stack for o in over if o.stack is not None])
        if stack is not None:
            root, self.left_out = written_out(self.reader, root, stack)
        self.reader.known.identities = self._names(root, "identities")
        self.reader.known.loads = self._names(root, "loads")
        self.reader.known.tools = tools_in(root.get("loads"))
        self.reader.known.abortable, self.reader.known.searching = (
            named_by(root.get("loads"), key) for key in ("abort", "search")
        )
        self.reader.known.workloads = self._names(root, "workloads") | self.reader.known.loads
        self._apart(root)
        self.reader.known.scenarios = self._names(root, "scenarios")
        requirements = read_requirements(
            self.reader, root.get("requirements"), self.directory, self.path.parent, self.files
        )
        if stack is None:  # what can be known without it is still read: every mistake at once
            self.reader.known.open = True
            stack = StackPlan(name=name, platform="local", services={}, directory=self.directory)
            self.reader.problems += [] if self.reader.problems else [Problem(message="the stack cannot be read")]
        return self._body(root, _Parts(name=name, values=values, stack=stack, requirements=requirements), over)

    def _body(self, root: MappingNode, parts: _Parts, over: Sequence[Overlay]) -> Plan | None:
        reader, stack = self.reader, parts.stack
        types = self._types(root, parts)
        defaults, deadline = self._defaults(root)
        saves = Saves(root)
        steps = Steps(reader, self.vocabulary, stack.allow)
        python = PythonScenarios(reader, self.vocabulary, deadline)
        self._python(root, python)
        secrets = read_secrets(reader, root.get("secrets"), self.directory)
        identities = read_identities(reader, root.get("identities"), steps, types)
        setup_scene = Scene(values=dict(types), later=saves.for_setup(), defaults=defaults, moments=[BEGIN])
        setup = steps.steps(root.get("setup"), setup_scene)
        no_search_in_setup(reader, setup)
        known = dict(setup_scene.values)
        workloads = self._workloads(root, steps, known, saves.for_standing())
        profiles = Profiles(reader, root, self.choice)
        metrics = partial(load_metrics_type, self.vocabulary)
        reads = Loads(steps, self.vocabulary, self.directory, profiles, metrics)
        loads = self._loads(root, reads, known, saves.for_standing())
        profiles.end()
        outlived(reader, root.get("loads"), loads, identities, steps)
        throughout = self._throughout(root)
        scenarios = Scenarios(steps, self.metrics, throughout, deadline, usage_type(self.reader.known.services))
        plans = (*self._scenarios(root, scenarios, known, saves, defaults), *python.plans(throughout))
        plans = with_time_for_loads(plans, loads, root)
        steady = self._steady(root, scenarios, Scene(values=known, later=saves.for_standing(), defaults=defaults))
        running = tuple(dict.fromkeys((*throughout, *(w for s in plans for w in s.throughout))))
        trial_scene = Scene(values={**known, "trial": OVER}, defaults=defaults)
        own = (*reader.judged(throughout), *(abort_finding(n) for n in throughout if n in reader.known.abortable))
        trial_scene.ids |= dict.fromkeys(own, root.entries["throughout"].key) if own else {}
        extra = {"stack": Type.record(STACK_METRICS), **usage_type(self.reader.known.services)}
        expect = scenarios.expectations(root.get("expect"), trial_scene, running, self.metrics, extra)
        self._needs(plans)
        plan = Plan(
            name=parts.name,
            file=self.path,
            stack=stack,
            digest=digest(self.files),
            files=tuple(self.files),
            requirements=parts.requirements,
            identities=identities,
            secrets=secrets,
            values=parts.values,
            workloads=workloads,
            loads=loads,
            steady=steady,
            throughout=throughout,
            setup=setup,
            scenarios=plans,
            expect=expect,
            scale=profiles.scale,
            stack_file=self.stack_override,
            require_proof=wants_proof(self.reader, root),
            tested=read_tested_files(reader, root.get("tested")),
        )
        plan = replace(plan, waivers=read_waivers(reader, root.get("waivers"), plan))
        check_requirements(reader, plan)
        for overlay in over if not reader.problems else ():
            check_overlay(reader, overlay, plan)
        secrets |= {s: SecretSource(name=s, environment=s) for s in secrets_used(plan) if s not in secrets}
        plan = replace(plan, secrets=secrets, left_out=self.left_out)
        if reader.problems:
            return plan
        figures = {**self.metrics, **extra, "trial": OVER}
        return replace(plan, warnings=tuple(ordered(lint(plan, self.vocabulary, figures))))

    # -- parts

    def _name(self, root: MappingNode) -> str:
        node = root.get("name")
        found = self.reader.read(node, TEXT, Place(literal=True)) if node is not None else BAD
        return found if isinstance(found, str) else self.directory.name

    def _names(self, root: MappingNode, part: str) -> dict[str, Node]:
        node = root.get(part)
        if node is None:
            return {}
        if not isinstance(node, MappingNode) or (part == "scenarios" and not node.entries):
            found = "an empty one" if isinstance(node, MappingNode) else describe(node)
            self.reader.wrong(node, f"{part} is a mapping of names, not {found}", f"{part}: {{name: ...}}")
            return {}
        for key, _ in node:
            if part in ("workloads", "loads"):
                self.reader.name(key, f"a {part[:-1]}", OWN_NAMES)
            else:
                reserved = SCENARIOS_OF_SEATRIAL if part == "scenarios" else ()
                self.reader.identifier(key, "a scenario" if part == "scenarios" else "an identity", reserved)
        return {key.text: key for key, _ in node}

    def _apart(self, root: MappingNode) -> None:
        """A workload and a load cannot share a name: both stand in expectations."""
        workloads = root.get("workloads")
        for key, _ in workloads if isinstance(workloads, MappingNode) else ():
            if key.text in self.reader.known.loads:
                self.reader.wrong(key, f"{shorten(key.text)} is the name of a load, too", "give one of them another")

    def _values(self, root: MappingNode) -> dict[str, object]:
        node = root.get("values")
        found = self.reader.read(node, mapping_of(ANY), Place(literal=True)) if node is not None else {}
        values: dict[str, object] = {} if isinstance(found, Bad) else found
        for key, _ in node if isinstance(node, MappingNode) else ():
            self.reader.name(key, "a value", OWN_NAMES)
        for name, text in self.variables.items():
            if name not in values:
                hint = f"values of this spec: {listing(values, 30) or 'none'}. {did_you_mean(name, values)}".rstrip()
                problem = Problem(message=f"--var {name}: the spec has no value of that name", hint=hint)
                self.reader.problems.append(problem)
                continue
            values[name] = self._given(name, text, values[name])
        return values

    def _given(self, name: str, text: str, default: object) -> object:
        """A value from the command line, of the kind that the spec's own has."""
        if isinstance(default, str):
            return text
        problems: list[Problem] = []
        node = read_text(text, f"--var {name}", problems)
        value = self.reader.read(node, ANY, Place(literal=True)) if node is not None and not problems else BAD
        number = isinstance(default, int | float) and not isinstance(default, bool)
        same = (
            isinstance(value, int | float) and not isinstance(value, bool) if number else type(value) is type(default)
        )
        if not same and default is not None:
            what = "true or false" if isinstance(default, bool) else "a number" if number else type(default).__name__
            what = {"list": "a list", "dict": "a mapping"}.get(what, what)
            problems = [Problem(message=f"--var {name}: {what} is wanted, not {shorten(text)}")]
        self.reader.problems += problems
        return value

    def _stack(
        self, root: MappingNode, name: str, values: Mapping[str, object], over: Sequence[Node]
    ) -> StackPlan | None:
        node = root.get("stack")
        directory, content = self.directory, node
        compose = ComposeStacks(self.reader, self.vocabulary, root, self.files)
        if self.stack_override is not None:
            directory, content = self.stack_override.resolve().parent, self._stack_file(self.stack_override)
            if is_compose(content):
                return compose.read(node, self.stack_override, name, self.path.parent, over)
        elif isinstance(node, Scalar):
            text = self.reader.read(node, TEXT, Place(literal=True))
            if not isinstance(text, str):
                return None
            directory = (self.directory / text).parent
            if not is_file(self.directory / text):
                hint = "a stack file, or {remote: {services: {api: https://...}}}"
                self.reader.wrong(node, f"there is no file {self.path.parent / text}", hint)
                return None
            content = self._stack_file(self.path.parent / text)
            if is_compose(content):
                return compose.read(None, self.path.parent / text, name, self.path.parent, over)
        elif isinstance(node, MappingNode) and "compose" in node.entries:
            return compose.read(node, None, name, self.path.parent, over)
        for overlay in over:
            content = merge(content, overlay) if content is not None else None
        stacks = Stacks(self.reader, self.vocabulary)
        if content is None:
            return None
        if isinstance(content, MappingNode) and "remote" in content.entries:
            return stacks.remote(content, name, directory.resolve(), values)
        return stacks.local(content, name, directory.resolve())

    def _stack_file(self, path: Path) -> Node | None:
        self.files.append(path)
        return read_file(path, str(path), self.reader.problems)

    def _types(self, root: MappingNode, parts: _Parts) -> dict[str, Type]:
        """The names that templates and expressions may use everywhere."""
        node = root.get("values")
        for key, _ in node if isinstance(node, MappingNode) else ():
            if key.text in self.reader.known.services:
                self.reader.wrong(key, f"{shorten(key.text)} is the name of a service", "give the value another one")
        exports = self._exports()
        return {"trial": TRIAL, "spec": SPEC, **dict.fromkeys(parts.values, Type.ANY), **exports}

    def _exports(self) -> dict[str, Type]:
        """Services by name: their exports, as values (`{{ proxy.url }}`)."""
        kinds = self.vocabulary.kinds
        return {
            name: Type.map_of(Type.TEXT) if s.absent else Type.record(dict.fromkeys(kinds[s.kind].exports, Type.TEXT))
            for name, s in self.reader.known.services.items()
            if s.absent or (s.kind in kinds and not s.companion)
        }

    def _defaults(self, root: MappingNode) -> tuple[Defaults, int | None]:
        """For steps; and the deadline of scenarios."""
        node = root.get("defaults")
        found = self.reader.fields(node, DEFAULTS, Place(), what="defaults") if node is not None else BAD
        if isinstance(found, Bad):
            return Defaults(), None
        ns = {n: int(q.value) if isinstance(q, Quantity) else None for n, q in found.items()}
        word = found["severity"]
        severity = Severity(word) if isinstance(word, str) else Severity.BLOCKING
        every = Defaults(within_ns=ns["within"], timeout_ns=ns["timeout"], every_ns=ns["every"], severity=severity)
        return every, ns["deadline"]

    def _python(self, root: MappingNode, python: PythonScenarios) -> None:
        node = root.get("python")
        if node is None:
            return
        for item in node.items if isinstance(node, SequenceNode) else [node]:
            name = self.reader.read(item, TEXT, Place(literal=True))
            if isinstance(name, str):
                self.files += python.load(item, self.directory / name, self.path.parent / name)

    def _workloads(
        self, root: MappingNode, steps: Steps, values: Mapping[str, Type], later: Mapping[str, str]
    ) -> dict[str, WorkloadPlan]:
        reader = Workloads(steps, self.vocabulary)
        node = root.get("workloads")
        found = {}
        for key, child in node if isinstance(node, MappingNode) else ():
            plan = reader.read(key.text, child, values, later)
            model = plan.model if plan is not None else None
            self.metrics[key.text] = metrics_type(self.vocabulary, model)
            if plan is not None:
                found[key.text] = plan
        return found

    def _loads(
        self, root: MappingNode, reader: Loads, values: Mapping[str, Type], later: Mapping[str, str]
    ) -> dict[str, LoadPlan]:
        node = root.get("loads")
        found = {}
        for key, child in node if isinstance(node, MappingNode) else ():
            plan = reader.read(key.text, child, values, later)
            extras = tuple(child.entries) if isinstance(child, MappingNode) else ()
            tool = key.text in self.reader.known.tools
            tags = None if plan is None or plan.script or tool else plan.tags  # code names its own
            self.metrics[key.text] = load_metrics_type(self.vocabulary, tags, extras, tool=tool)
            if plan is not None:
                found[key.text] = plan
        self.files += reader.files
        return found

    def _throughout(self, root: MappingNode) -> tuple[str, ...]:
        node = root.get("throughout")
        found = self.reader.read(node, SCENARIO["throughout"].shape, Place()) if node is not None else ()
        if isinstance(found, Bad):
            return ()
        is_search_throughout(self.reader, node, tuple(found))
        return tuple(found)

    def _scenarios(
        self, root: MappingNode, reader: Scenarios, known: dict[str, Type], saves: Saves, defaults: Defaults
    ) -> tuple[ScenarioPlan, ...]:
        node = root.get("scenarios")
        entries = list(node) if isinstance(node, MappingNode) else []
        saved: dict[str, dict[str, Type]] = {}
        plans: dict[str, ScenarioPlan] = {}
        unsure = set(self.reader.known.scenarios) - {
            key.text for key, _ in entries
        }  # in Python: they may save anything
        for key, child in in_order_of_needs(entries):
            values = dict(known)
            needs = needs_of(child)
            for need in needs:
                values |= saved.get(need, {})
            if unsure.intersection(needs):
                unsure.add(key.text)
            later = {n: w for n, w in saves.for_scenario(key.text).items() if n not in values}
            open_ = key.text in unsure
            scene = Scene(values=values, later=later, defaults=defaults, open=open_, moments=[BEGIN, SETUP])
            plan = reader.read(key, child, scene)
            saved[key.text] = new_values(scene.values, known)
            if plan is not None:
                plans[key.text] = plan
        return tuple(plans[key.text] for key, _ in entries if key.text in plans)

    def _steady(self, root: MappingNode, reader: Scenarios, scene: Scene) -> tuple[NamedCheck, ...]:
        node = root.get("steady")
        scene.ids["stack"] = root  # judged by seatrial itself
        return reader.named_checks(node, scene, "steady")

    def _needs(self, plans: Sequence[ScenarioPlan]) -> None:
        found = circle({p.id: {*p.needs, *p.after} for p in plans})
        if found:
            place = next(p.position for p in plans if p.id == found[0])
            after = any(p.after for p in plans if p.id in found)
            message = (
                f"scenarios {'wait for' if after else 'need'} each other, none can be reached: {' -> '.join(found)}"
            )
            self.reader.problems.append(Problem(message=message, position=place, hint="break the circle"))


def digest(files: Sequence[Path]) -> str:
    """sha256 over the contents of the files, in order."""
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes() if path.exists() else b""
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


__all__ = ["compile_spec", "digest", "ordered", "with_line"]
