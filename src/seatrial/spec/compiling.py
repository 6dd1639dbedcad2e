"""The compiler: files in, a frozen Plan out, or every mistake of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.expressions import Scope, Type
from ..core.expressions.problems import listing
from ..core.plan import STACK_METRICS, IdentityPlan, Plan, ScenarioPlan, SecretSource, WorkloadPlan
from ..core.quantities import Quantity
from ..core.shapes import ANY, COUNT, DURATION, PATH, REQUEST, TEXT, Field, mapping_of, record
from ..core.stack import StackPlan
from ..core.templates import secret_names
from ..core.vocabulary import Vocabulary
from .linting import lint
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, merge, read_file, shorten
from .nodes import Sequence as SequenceNode
from .reading import BAD, Bad, Place, Reader
from .requirements import read_requirements
from .scenarios import Scenarios
from .stacks import Stacks
from .steps import Scene, Steps
from .variants import overlay_of
from .workloads import Workloads

TOP = (
    "seatrial", "name", "stack", "requirements", "values", "secrets", "identities", "workloads", "steady", "throughout", "setup",
    "scenarios", "expect", "python", "defaults",
)  # fmt: skip
SECRET = record(
    {
        "env": Field(shape=TEXT, doc="An environment variable."),
        "file": Field(shape=TEXT, doc="A file, from the spec's directory."),
        "generate": Field(shape=COUNT, doc="Characters of one that is made for each trial.", example="24"),
    },
    doc="a secret",
)
IDENTITY: Mapping[str, Field] = {
    "login": Field(
        shape=REQUEST, doc="A probe whose answer has the token.", example="{http: POST /login, at: web, json: {...}}"
    ),
    "bearer": Field(shape=PATH, doc="Where the token is in the answer, or none.", example="json.token"),
    "headers": Field(
        shape=mapping_of(TEXT), default={}, doc="Headers to send.", example='{X-Api-Key: "${secret:KEY}"}'
    ),
}
DEFAULTS = {"within": Field(shape=DURATION, doc="For every check without its own.")}
TRIAL = Type.record({"id": Type.TEXT, "directory": Type.TEXT})


def compile_spec(
    path: Path,
    vocabulary: Vocabulary,
    *,
    environment: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    overlays: Sequence[Path] = (),
) -> Plan:
    """Compile a spec. Raises UsageError with every problem of all its files."""
    compiler = _Compiler(path, vocabulary, environment, variables or {})
    plan = compiler.plan(overlays)
    if compiler.reader.problems or plan is None:
        raise UsageError(*ordered(compiler.reader.problems))
    return plan


def ordered(problems: Sequence[Problem]) -> list[Problem]:
    """By file and place, each once."""
    unique = dict.fromkeys(problems)
    return sorted(
        unique, key=lambda p: (p.position.file, p.position.line, p.position.column) if p.position else ("", 0, 0)
    )


class _Compiler:
    """One compilation."""

    def __init__(
        self, path: Path, vocabulary: Vocabulary, environment: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        self.path = path
        self.directory = path.resolve().parent
        self.vocabulary = vocabulary
        self.variables = variables
        self.reader = Reader(environment)
        self.files: list[Path] = [path]
        self.metrics: dict[str, Type] = {}

    def plan(self, overlays: Sequence[Path]) -> Plan | None:
        root = read_file(self.path, str(self.path), self.reader.problems)
        over = [overlay_of(p, self.reader) for p in overlays]
        self.files += overlays
        for _, spec_over in over:
            root = merge(root, spec_over) if root is not None and spec_over is not None else root
        if root is None:
            return None
        if not isinstance(root, MappingNode):
            self.reader.wrong(root, f"a spec is a mapping, not {describe(root)}", "begin with seatrial: 1")
            return None
        self._top(root)
        name = self._name(root)
        values = self._values(root)
        stack = self._stack(root, name, values, [s for s, _ in over if s is not None])
        self.reader.known.identities = self._names(root, "identities")
        self.reader.known.workloads = self._names(root, "workloads")
        self.reader.known.scenarios = self._names(root, "scenarios")
        requirements = read_requirements(self.reader, root.get("requirements"), self.directory, self.files)
        if stack is None:
            return None
        return self._body(root, name, values, stack, requirements)

    def _body(
        self, root: MappingNode, name: str, values: dict[str, object], stack: StackPlan, requirements: Mapping[str, Any]
    ) -> Plan | None:
        steps = Steps(self.reader, self.vocabulary, stack.allow)
        types: dict[str, Type] = {"trial": TRIAL, **dict.fromkeys(values, Type.ANY), **self._exports(stack)}
        within = self._defaults(root)
        later = self._saves(root.get("setup"), "in setup")
        secrets = self._secrets(root)
        identities = self._identities(root, steps, types)
        setup_scene = Scene(values=dict(types), later=later | self._scenario_saves(root), default_within=within)
        setup = steps.steps(root.get("setup"), setup_scene)
        known = dict(setup_scene.values)
        workloads = self._workloads(root, steps, known, self._scenario_saves(root))
        throughout = self._throughout(root)
        scenarios = Scenarios(steps, self.vocabulary, self.metrics, throughout)
        plans = self._scenarios(root, scenarios, known, within)
        steady = self._steady(root, scenarios, known)
        trial_scene = Scene(values=known)
        running = tuple(dict.fromkeys((*throughout, *(w for s in plans for w in s.throughout))))
        expect = scenarios.expectations(
            root.get("expect"), trial_scene, running, self.metrics, {"stack": Type.record(STACK_METRICS)}
        )
        self._needs(plans)
        plan = Plan(
            name=name,
            file=self.path,
            stack=stack,
            digest=digest(self.files),
            files=tuple(self.files),
            requirements=requirements,
            identities=identities,
            secrets=secrets,
            values=values,
            workloads=workloads,
            steady=steady,
            throughout=throughout,
            setup=setup,
            scenarios=plans,
            expect=expect,
        )
        self._covered(plan)
        used = secret_names([stack.services[s].arguments for s in stack.services])
        secrets |= {s: SecretSource(name=s, environment=s) for s in used if s not in secrets}
        return replace(plan, secrets=secrets, warnings=tuple(str(p) for p in lint(plan)))

    # -- parts

    def _top(self, root: MappingNode) -> None:
        for key, _ in root:
            if key.text not in TOP:
                self.reader.unknown_key(key, TOP, "a spec")
        version = root.get("seatrial")
        if version is None:
            self.reader.wrong(root, "a spec says which language it is in", "begin with seatrial: 1")
        elif not isinstance(version, Scalar) or version.value != 1:
            self.reader.wrong(
                version, f"unknown version {describe(version)} of the spec language", "this seatrial reads seatrial: 1"
            )
        for part in ("stack", "scenarios"):
            if part not in root.entries and not (part == "scenarios" and "python" in root.entries):
                self.reader.wrong(
                    root,
                    f'a spec needs "{part}"',
                    "stack: stack.yaml" if part == "stack" else "scenarios: {smoke: {steps: [...]}}",
                )

    def _name(self, root: MappingNode) -> str:
        node = root.get("name")
        text = self.reader.text(node) if isinstance(node, Scalar) else None
        return text if isinstance(text, str) else self.directory.name

    def _names(self, root: MappingNode, part: str) -> dict[str, Node]:
        node = root.get(part)
        if node is None:
            return {}
        if not isinstance(node, MappingNode):
            self.reader.wrong(node, f"{part} is a mapping of names, not {describe(node)}")
            return {}
        return {key.text: key for key, _ in node}

    def _values(self, root: MappingNode) -> dict[str, object]:
        node = root.get("values")
        found = self.reader.read(node, mapping_of(ANY), Place()) if node is not None else {}
        values: dict[str, object] = {} if isinstance(found, Bad) else found
        for name, text in self.variables.items():
            if name not in values:
                hint = f"values of this spec: {listing(values, 30) or 'none'}"
                self.reader.problems.append(
                    Problem(message=f"--var {name}: the spec has no value of that name", hint=hint)
                )
                continue
            values[name] = text
        return values

    def _stack(
        self, root: MappingNode, name: str, values: Mapping[str, object], over: Sequence[Node]
    ) -> StackPlan | None:
        node = root.get("stack")
        stacks = Stacks(self.reader, self.vocabulary)
        if node is None:
            return None
        directory = self.directory
        if isinstance(node, Scalar):
            text = self.reader.text(node)
            if isinstance(text, Bad):
                return None
            path = self.directory / text
            if not path.exists():
                self.reader.wrong(
                    node, f"{path} does not exist", "a stack file, or {remote: {services: {api: https://...}}}"
                )
                return None
            shown = str(self.path.parent / text)
            self.files.append(path)
            directory = path.resolve().parent
            content = read_file(path, shown, self.reader.problems)
        else:
            content = node
        if isinstance(content, MappingNode) and "remote" in content.entries:
            remote = content.get("remote")
            return stacks.remote(remote, name, directory, values) if remote is not None else None
        for overlay in over:
            content = merge(content, overlay) if content is not None else None
        return stacks.local(content, name, directory) if content is not None else None

    def _exports(self, stack: StackPlan) -> dict[str, Type]:
        """Services by name: their exports, as values (`{{ proxy.url }}`)."""
        kinds = self.vocabulary.kinds
        return {
            name: Type.record(dict.fromkeys(kinds[s.kind].exports, Type.TEXT))
            for name, s in stack.services.items()
            if s.kind in kinds
        }

    def _defaults(self, root: MappingNode) -> int | None:
        node = root.get("defaults")
        if node is None:
            return None
        found = self.reader.fields(node, DEFAULTS, Place(), what="defaults")
        within = None if isinstance(found, Bad) else found["within"]
        return int(within.value) if isinstance(within, Quantity) else None

    def _secrets(self, root: MappingNode) -> dict[str, SecretSource]:
        found: dict[str, SecretSource] = {}
        node = root.get("secrets")
        for key, child in node if isinstance(node, MappingNode) else ():
            source = self.reader.read(child, SECRET, Place())
            if isinstance(source, Bad):
                continue
            if sum(v is not None for v in source.values()) != 1:
                self.reader.wrong(
                    child,
                    f"secret {shorten(key.text)} comes from one place",
                    "{env: NAME}, {file: path} or {generate: 24}",
                )
                continue
            file = self.directory / source["file"] if isinstance(source["file"], str) else None
            found[key.text] = SecretSource(
                name=key.text, environment=source["env"], file=file, generate=source["generate"]
            )
        return found

    def _identities(self, root: MappingNode, steps: Steps, types: Mapping[str, Type]) -> dict[str, IdentityPlan]:
        node = root.get("identities")
        found = {}
        for key, child in node if isinstance(node, MappingNode) else ():
            plan = self._identity(key, child, steps, types)
            if plan is not None:
                found[key.text] = plan
        return found

    def _identity(self, key: Scalar, node: Node, steps: Steps, types: Mapping[str, Type]) -> IdentityPlan | None:
        scene = Scene(values=dict(types))
        login = node.get("login") if isinstance(node, MappingNode) else None
        bearer = node.get("bearer") if isinstance(node, MappingNode) else None
        none = isinstance(bearer, Scalar) and bearer.text == "none"
        shown = {n: f for n, f in IDENTITY.items() if n == "headers"}
        found = self.reader.fields(node, shown, scene.place(), what="an identity", also=("login", "bearer"))
        if isinstance(found, Bad):
            return None
        headers = found["headers"] if found["headers"] is not BAD else {}
        if login is None:
            if bearer is not None and not none:
                self.reader.wrong(
                    bearer, "a bearer token comes from a login", "login: {http: POST /login, at: web}, or bearer: none"
                )
            return IdentityPlan(name=key.text, headers=headers)
        read = steps.request(login, scene)
        if read is None:
            return None
        if bearer is None:
            self.reader.wrong(login, "a login needs bearer: where the token is", "bearer: json.token")
            return None
        observes = self.vocabulary.verbs[read[0].verb].observes
        path = self.reader.read(bearer, PATH, Place(scope=Scope(names=observes)))
        return (
            None if isinstance(path, Bad) else IdentityPlan(name=key.text, headers=headers, login=read[0], bearer=path)
        )

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

    def _throughout(self, root: MappingNode) -> tuple[str, ...]:
        from .scenarios import SCENARIO

        node = root.get("throughout")
        found = self.reader.read(node, SCENARIO["throughout"].shape, Place()) if node is not None else ()
        return () if isinstance(found, Bad) else tuple(found)

    def _scenarios(
        self, root: MappingNode, reader: Scenarios, known: Mapping[str, Type], within: int | None
    ) -> tuple[ScenarioPlan, ...]:
        node = root.get("scenarios")
        entries = list(node) if isinstance(node, MappingNode) else []
        saved: dict[str, dict[str, Type]] = {}
        plans: dict[str, ScenarioPlan] = {}
        where = self._scenario_saves(root)
        for key, child in _in_order_of_needs(entries):
            needs = _needs_of(child)
            values = dict(known)
            for need in needs:
                values |= saved.get(need, {})
            scene = Scene(
                values=values, later={n: w for n, w in where.items() if n not in values}, default_within=within
            )
            plan = reader.read(key, child, scene)
            saved[key.text] = {n: t for n, t in scene.values.items() if n not in known}
            if plan is not None:
                plans[key.text] = plan
        ordered_plans = [plans[key.text] for key, _ in entries if key.text in plans]
        python = root.get("python")
        files = python.items if isinstance(python, SequenceNode) else [python] if python is not None else []
        for file in files:
            if isinstance(file, Scalar):
                ordered_plans += reader.python(file, self.directory, self.files)
        return tuple(ordered_plans)

    def _steady(self, root: MappingNode, reader: Scenarios, known: Mapping[str, Type]) -> tuple[Any, ...]:
        node = root.get("steady")
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            self.reader.wrong(
                node,
                f"steady is a mapping of names to checks, not {describe(node)}",
                "steady: {up: {http: GET /, at: web}}",
            )
            return ()
        scene = Scene(values=dict(known))
        return tuple(c for key, child in node if (c := reader.named_check(key, child, scene)) is not None)

    def _saves(self, steps: Node | None, where: str) -> dict[str, str]:
        """Every name that these steps save, with words for where."""
        found: dict[str, str] = {}
        for step in steps.items if isinstance(steps, SequenceNode) else ():
            save = step.get("save") if isinstance(step, MappingNode) else None
            for key, _ in save if isinstance(save, MappingNode) else ():
                found.setdefault(key.text, f"{where}, line {key.line}")
        return found

    def _scenario_saves(self, root: MappingNode) -> dict[str, str]:
        node = root.get("scenarios")
        found: dict[str, str] = {}
        for key, child in node if isinstance(node, MappingNode) else ():
            steps = child.get("steps") if isinstance(child, MappingNode) else None
            for name, where in self._saves(steps, f"by scenario {key.text}").items():
                found.setdefault(name, f"{where}; say needs: [{key.text}] in another scenario")
        return found

    def _needs(self, plans: Sequence[ScenarioPlan]) -> None:
        left = {p.id: set(p.needs) for p in plans}
        while free := [n for n, needs in left.items() if not needs & set(left)]:
            for name in free:
                del left[name]
        if left:
            name = next(iter(left))
            place = next(p.position for p in plans if p.id == name)
            circle = " -> ".join([*left, name])
            self.reader.problems.append(
                Problem(message=f"scenarios need each other, none can be reached: {circle}", position=place)
            )

    def _covered(self, plan: Plan) -> None:
        from ..core.plan import FaultStep, ProbeStep

        covered: dict[str, Any] = {}
        for scenario in plan.scenarios:
            for covers in (
                scenario.covers,
                *(s.covers for s in scenario.steps if isinstance(s, FaultStep | ProbeStep)),
            ):
                covered |= dict.fromkeys(covers, scenario.id)
            for covers in (*(e.covers for e in scenario.expect), *(h.covers for h in scenario.holds)):
                covered |= dict.fromkeys(covers, scenario.id)
        for covers in (
            *(e.covers for e in plan.expect),
            *(c.covers for c in plan.steady),
            *(s.covers for s in plan.setup),
        ):
            covered |= dict.fromkeys(covers, "the trial")
        for requirement in plan.requirements.values():
            node = self.reader.known.requirements[requirement.id]
            in_scope = not requirement.applies or plan.stack.platform in requirement.applies
            if requirement.id in covered and requirement.open_reason:
                self.reader.wrong(
                    node,
                    f"{requirement.id} is declared as not covered, and {covered[requirement.id]} covers it",
                    "take it out of not-covered",
                )
            elif in_scope and requirement.id not in covered and not requirement.open_reason:
                hint = f"covers: [{requirement.id}] where it is shown, or not-covered: {{{requirement.id}: why}}"
                self.reader.wrong(node, f"nothing covers the requirement {requirement.id}", hint)


def _needs_of(node: Node) -> list[str]:
    needs = node.get("needs") if isinstance(node, MappingNode) else None
    items = needs.items if isinstance(needs, SequenceNode) else [needs] if needs is not None else []
    return [i.text for i in items if isinstance(i, Scalar)]


def _in_order_of_needs(entries: list[tuple[Scalar, Node]]) -> list[tuple[Scalar, Node]]:
    """Needed ones first, so that what they save is known; those in a circle last."""
    names = {key.text for key, _ in entries}
    left, done, found = list(entries), set[str](), list[tuple[Scalar, Node]]()
    while free := [(k, n) for k, n in left if all(x in done or x not in names for x in _needs_of(n))]:
        found += free
        done |= {k.text for k, _ in free}
        left = [e for e in left if e not in free]
    return found + left


def metrics_type(vocabulary: Vocabulary, model: str | None) -> Type:
    """A workload's figures as a record of records: `recovery`, `outage.longest`, ..."""
    table = dict(vocabulary.workload_metrics)
    if model is not None and model in vocabulary.models:
        table |= vocabulary.models[model].metrics
    tree: dict[str, Any] = {}
    for name, (dimension, _) in table.items():
        *path, last = name.split(".")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = Type.quantity(dimension)
    return _record_of(tree)


def _record_of(tree: Mapping[str, Any]) -> Type:
    return Type.record({n: v if isinstance(v, Type) else _record_of(v) for n, v in tree.items()})


def digest(files: Sequence[Path]) -> str:
    """sha256 over the contents of the files, in order."""
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes() if path.exists() else b""
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


__all__ = ["compile_spec", "digest", "metrics_type", "ordered"]
