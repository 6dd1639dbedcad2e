"""Modules of a suite: their tests, fixtures and helpers, and what a name in them stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .reading import CONFTEST, File, read
from .trees import FUNCTIONS, Function, decorators, dotted, parameters, walk_own

_DEEP = 10  # imports of imports that are followed
_SKIPS = ("pytest.mark.skip", "mark.skip", "unittest.skip", "skip")


@dataclass(frozen=True, kw_only=True, eq=False)
class Test:
    """A test: its function, and the class that it is in; or a fixture, to be looked through in the same way."""

    function: Function
    inside: ast.ClassDef | None
    module: Module
    is_fixture: bool = False
    remembered: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All that is done in it, without what belongs to functions inside."""
        return list(walk_own(self.function.body))

    @property
    def name(self) -> str:
        """As pytest's -k has it."""
        return f"{self.inside.name}.{self.function.name}" if self.inside is not None else self.function.name

    @property
    def head(self) -> tuple[int, ...]:
        """The lines before its body."""
        begin = min([self.function.lineno, *(d.lineno for d in self.function.decorator_list)])
        return tuple(range(begin, self.function.body[0].lineno))

    @property
    def skipped(self) -> bool:
        """Whether it never runs, and says so."""
        nodes = [self.function, *([self.inside] if self.inside is not None else [])]
        return any(name in _SKIPS for node in nodes for name, _ in decorators(node))


@dataclass(kw_only=True, eq=False)
class Module:
    """A file with what is defined in it. `suite` finds others."""

    file: File
    suite: Suite = field(repr=False)
    unshared: frozenset[str] | None = None  # constants that nothing changes, once somebody asked

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """What is done when it is imported, conditions looked through."""
        return list(_flat(self.file.tree.body))

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Its functions by name."""
        return {s.name: s for s in self.statements if isinstance(s, FUNCTIONS)}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes by name."""
        return {s.name: s for s in self.statements if isinstance(s, ast.ClassDef)}

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """Name to (module, name in it) of what is imported anywhere in it; an empty name for a module. Relative ones begin with dots."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.file.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.asname is not None or "." not in alias.name
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if whole else alias.name.partition(".")[0],
                        "",
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    module = "." * node.level + (node.module or "")
                    found[alias.asname or alias.name] = (module, alias.name)
        return found

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """Names that are assigned once, at the top, and nowhere else."""
        found: dict[str, ast.expr] = {}
        times: dict[str, int] = {}
        for node in ast.walk(self.file.tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                times[node.id] = times.get(node.id, 0) + 1
            elif isinstance(node, ast.Global):
                times |= dict.fromkeys(node.names, 2)
        for statement in self.statements:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    if times.get(name) == 1:
                        found[name] = value
                case _:
                    pass
        return found

    @cached_property
    def fixtures(self) -> dict[str, Function]:
        """Its fixtures by the name that tests know them by; those of classes, too."""
        found: dict[str, Function] = {}
        for function in self._all_functions():
            for name, decorator in decorators(function):
                if name.rpartition(".")[2] in ("fixture", "yield_fixture"):
                    found[_fixture_name(decorator) or function.name] = function
        return found

    def _all_functions(self) -> Iterator[Function]:
        yield from self.functions.values()
        for cls in self.classes.values():
            yield from (s for s in cls.body if isinstance(s, FUNCTIONS))

    @cached_property
    def tests(self) -> list[Test]:
        """What pytest collects: functions called test*, in classes Test* and in TestCases."""
        found = [
            Test(function=f, inside=None, module=self)
            for f in self.statements
            if isinstance(f, FUNCTIONS) and f.name.startswith("test") and not _is_fixture(f)
        ]
        for cls in (s for s in self.statements if isinstance(s, ast.ClassDef)):
            found += self._of_class(cls)
        return found

    def _of_class(self, cls: ast.ClassDef) -> Iterator[Test]:
        if not self.is_collected(cls):
            return
        for statement in _flat(cls.body):
            if isinstance(statement, FUNCTIONS) and statement.name.startswith("test") and not _is_fixture(statement):
                yield Test(function=statement, inside=cls, module=self)
            elif isinstance(statement, ast.ClassDef):
                yield from self._of_class(statement)

    def is_collected(self, cls: ast.ClassDef) -> bool:
        """Whether tests are looked for in a class."""
        if self.is_case(cls):
            return True
        return cls.name.startswith("Test") and not any(
            isinstance(s, FUNCTIONS) and s.name == "__init__" for s in cls.body
        )

    def is_case(self, cls: ast.ClassDef, depth: int = 0) -> bool:
        """Whether it is a TestCase of unittest, as far as names tell."""
        for base in cls.bases:
            name = dotted(base).rpartition(".")[2]
            if name.endswith(("TestCase", "TestBase")):
                return True
            inner = self.classes.get(name)
            if inner is not None and inner is not cls and depth < _DEEP and self.is_case(inner, depth + 1):
                return True
        return False

    def fixture(self, name: str) -> Function | None:
        """A fixture by name: its own, or one of the conftest.py above it."""
        if name in self.fixtures:
            return self.fixtures[name]
        for module in self.suite.conftests(self.file.path):
            if module is not self and name in module.fixtures:
                return module.fixtures[name]
        return None

    def around(self, test: Test) -> Iterator[Function]:
        """Fixtures and set-ups that run for a test, those of fixtures too."""
        names = [*parameters(test.function)]
        nodes = [test.function, *([test.inside] if test.inside is not None else [])]
        for name, decorator in (d for node in nodes for d in decorators(node)):
            if name.endswith("usefixtures") and isinstance(decorator, ast.Call):
                names += [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        seen: set[str] = set()
        while names:
            name = names.pop()
            function = self.fixture(name) if name not in seen else None
            seen.add(name)
            if function is not None:
                yield function
                names += parameters(function)
        for statement in test.inside.body if test.inside is not None else ():
            if isinstance(statement, FUNCTIONS) and statement.name in (
                "setUp",
                "tearDown",
                "setup_method",
                "teardown_method",
            ):
                yield statement

    def helper(self, name: str, depth: int = 0) -> tuple[Module, Function] | None:
        """The function that a name stands for: its own, or one that it imports from a file of the suite."""
        if name in self.functions:
            return self, self.functions[name]
        origin = self.imports.get(name)
        module = self.suite.module_of(self.file.path, origin[0]) if origin is not None and origin[1] else None
        if origin is None or module is None or module is self or depth > _DEEP:
            return None
        return module.helper(origin[1], depth + 1)

    def helper_of_module(self, name: str, attribute: str) -> tuple[Module, Function] | None:
        """``name.attribute``, where the name is a module of the suite."""
        origin = self.imports.get(name)
        if origin is None:
            return None
        path = f"{origin[0]}{'' if origin[0].endswith('.') or not origin[1] else '.'}{origin[1]}"
        module = self.suite.module_of(self.file.path, path)
        return (module, module.functions[attribute]) if module is not None and attribute in module.functions else None

    def method(self, inside: ast.ClassDef | None, name: str) -> tuple[Module, Function] | None:
        """A method of a class or of those it is derived from, as far as they are in this module or imported from the suite."""
        module: Module = self
        for _ in range(_DEEP):
            if inside is None:
                return None
            found = next((s for s in inside.body if isinstance(s, FUNCTIONS) and s.name == name), None)
            if found is not None:
                return module, found
            base = dotted(inside.bases[0]).rpartition(".")[2] if inside.bases else ""
            origin = module.imports.get(base)
            other = module.suite.module_of(module.file.path, origin[0]) if origin is not None and origin[1] else None
            if base in module.classes:
                inside = module.classes[base] if module.classes[base] is not inside else None
            else:
                inside, module = (other.classes.get(base), other) if other is not None else (None, module)
        return None


class Suite:
    """All files of a suite, read once each."""

    def __init__(self) -> None:
        self._read: dict[Path, Module | None] = {}

    def module(self, file: File) -> Module:
        """A file that was read."""
        found = self._read[file.path.resolve()] = Module(file=file, suite=self)
        return found

    def at(self, path: Path) -> Module | None:
        """A module by its file; None where there is none that can be read."""
        whole = path.resolve()
        if whole not in self._read:
            found = read(path) if path.is_file() else None
            self._read[whole] = Module(file=found, suite=self) if isinstance(found, File) else None
        return self._read[whole]

    def conftests(self, path: Path) -> Iterator[Module]:
        """Those above a file, the nearest first."""
        for directory in list(path.resolve().parents)[:8]:
            module = self.at(directory / CONFTEST) if (directory / CONFTEST).is_file() else None
            if module is not None:
                yield module

    def module_of(self, path: Path, name: str) -> Module | None:
        """A module that a file imports, where it lies beside it or above: that of an installed package is not read."""
        here = path.resolve().parent
        dots = len(name) - len(name.lstrip("."))
        parts = name.lstrip(".").split(".") if name.lstrip(".") else []
        places: Sequence[Path]
        if dots:
            above = [here, *here.parents]
            places = above[dots - 1 : dots]
        else:
            places = [here, *list(here.parents)[:6]]
        for place in places:
            whole = place.joinpath(*parts)
            for candidate in (whole.with_suffix(".py") if parts else whole / "__init__.py", whole / "__init__.py"):
                if candidate.is_file():
                    return self.at(candidate)
        return None


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        match statement:
            case ast.If() | ast.With():
                yield from _flat([*statement.body, *getattr(statement, "orelse", [])])
            case ast.Try():
                handled = [s for h in statement.handlers for s in h.body]
                yield from _flat([*statement.body, *handled, *statement.orelse, *statement.finalbody])
            case _:
                pass


def _is_fixture(function: Function) -> bool:
    return any(name.rpartition(".")[2] in ("fixture", "yield_fixture") for name, _ in decorators(function))


def _fixture_name(decorator: ast.expr) -> str:
    if isinstance(decorator, ast.Call):
        for given in decorator.keywords:
            if given.arg == "name" and isinstance(given.value, ast.Constant) and isinstance(given.value.value, str):
                return given.value.value
    return ""
