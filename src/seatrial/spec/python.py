"""Scenarios in Python files: found by their decorator, checked like those in YAML."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from ..core.errors import Position, Problem
from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import PythonBody, ScenarioPlan
from ..core.quantities import Dimension, QuantityError, parse_quantity
from ..core.scenarios import ATTRIBUTE, Declaration
from ..core.vocabulary import Vocabulary
from .nodes import Node, Source, shorten
from .reading import Reader

_TWO_MINUTES = 120_000_000_000


class PythonScenarios:
    """Loads files first, so that others may need their scenarios; makes plans of them later."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary, deadline_ns: int | None) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._deadline_ns = deadline_ns or _TWO_MINUTES
        self._declared: list[tuple[Declaration, Path, Node]] = []

    def load(self, node: Node, path: Path, shown: Path) -> list[Path]:
        """Import a file and note its scenarios; the files to count to the spec."""
        try:
            path = path.resolve()
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            why = (error.strerror or "").lower() if isinstance(error, OSError) else "no text"
            self._reader.wrong(node, f"{shown}: {why or 'cannot be read'}")
            return []
        source = Source(name=str(shown), lines=lines)
        module = self._import(path, source)
        if module is None:
            return [path]
        found = {id(d): d for v in vars(module).values() if isinstance(d := getattr(v, ATTRIBUTE, None), Declaration)}
        if not found:
            self._reader.wrong(node, f"{shown} has no scenario", "decorate one with @seatrial.scenario(...)")
        for declaration in found.values():
            self._note(declaration, path, source)
        return [path]

    def _note(self, declaration: Declaration, path: Path, source: Source) -> None:
        known = self._reader.known.scenarios
        text = source.line(declaration.line)
        column = len(text) - len(text.lstrip()) + 1
        place = Node(
            source=source, line=declaration.line, column=column, length=len(text.partition("(")[0].strip()) or 1
        )
        if declaration.id in known:
            first = known[declaration.id]
            where = f"first in {first.source.name}, line {first.line}"
            self._reader.wrong(place, f"the scenario {shorten(declaration.id)} is here twice", where)
            return
        known[declaration.id] = place
        self._declared.append((declaration, path, place))

    def _import(self, path: Path, source: Source) -> ModuleType | None:
        name = f"seatrial_scenarios_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            self._reader.problems.append(Problem(message=f"{source.name} is no Python file", hint="name it *.py"))
            return None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - their file, their mistake
            del sys.modules[name]
            self._reader.problems.append(_mistake(error, path, source))
            return None
        return module

    def plans(self, throughout: tuple[str, ...] = ()) -> list[ScenarioPlan]:
        """All of them, checked against what the spec has; `throughout`: what runs for the whole trial."""
        return [self._plan(*declared, throughout) for declared in self._declared]

    def _plan(self, declaration: Declaration, path: Path, place: Node, throughout: tuple[str, ...]) -> ScenarioPlan:
        known = self._reader.known
        referred: list[tuple[str, tuple[str, ...], Mapping[str, object]]] = [
            ("requirement", declaration.covers, known.requirements),
            ("service", declaration.services, known.services),
            ("scenario", (*declaration.needs, *declaration.after), known.scenarios),
            ("workload", declaration.throughout, known.workloads),
            ("fault", declaration.faults, self._vocabulary.faults),
        ]
        for what, names, there in referred:
            for name in names:
                if name not in there:
                    hint = f"{what}s: {listing(there, 30) or 'none'}. {did_you_mean(name, there)}".rstrip()
                    self._reader.wrong(place, f"scenario {declaration.id}: unknown {what} {shorten(name)}", hint)
        for name in declaration.throughout:
            if name in known.searching:
                said = f"scenario {declaration.id}: {name} searches for a capacity: it ends by itself"
                self._reader.wrong(place, said, f"a step of a scenario in YAML: {{load: {name}}}")
        return ScenarioPlan(
            id=declaration.id,
            title=declaration.title,
            covers=declaration.covers,
            labels=declaration.labels,
            needs=declaration.needs,
            after=declaration.after,
            alone=declaration.alone,
            deadline_ns=self._deadline(declaration, place),
            throughout=declaration.throughout,
            judged=self._reader.judged(declaration.throughout, throughout),
            disrupting=bool(declaration.faults),
            abortable=tuple(n for n in declaration.throughout if n in known.abortable),
            full_length=declaration.full_length,
            python=PythonBody(
                file=path, function=declaration.function, faults=declaration.faults, services=declaration.services
            ),
            position=place.position(),
        )

    def _deadline(self, declaration: Declaration, place: Node) -> int:
        if declaration.deadline is None:
            return self._deadline_ns
        try:
            return int(parse_quantity(declaration.deadline, Dimension.DURATION).value)
        except QuantityError as error:
            message, _, hint = str(error).partition("; ")
            self._reader.wrong(place, f"scenario {declaration.id}: deadline: {message}", hint)
            return self._deadline_ns


def _mistake(error: BaseException, path: Path, source: Source) -> Problem:
    """What went wrong while a file was imported, at the line of that file."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line, column, length = (frames[-1].lineno if frames else None) or 1, 1, 1
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line, column = error.lineno or line, max(1, error.offset or 1)
    text = source.line(line)
    if frames and not isinstance(error, SyntaxError):
        column = len(text) - len(text.lstrip()) + 1
        length = len(text.strip()) or 1
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    position = Position(file=source.name, line=line, column=column, length=length)
    return Problem(message=f"{type(error).__name__}: {said}", position=position, line_text=text)
