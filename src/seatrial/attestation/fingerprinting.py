"""What a plan tests: the files of its spec, those that its services run from, its configuration, its environment."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.events import plain
from ..core.fingerprints import TESTED, Fingerprint, canonical
from ..core.plan import Plan
from ..core.stack import ServicePlan
from .files import IGNORED, Budget, Tree, pattern_of

KEY = "key"  # in .seatrial: with it environments are hashed, so that nobody who reads a report can try values out
_SPEC = "spec"


@dataclass(kw_only=True)
class PlanFingerprinter:
    """core.fingerprints.Fingerprinter of a plan. `directory` is the trial's; `since` that of the trial that brought the stack up."""

    plan: Plan
    version: str
    directory: Path
    secret: Callable[[], Mapping[str, str]]  # secrets that were given, by name
    since: Path | None = None
    _trees: dict[str, Tree] = field(default_factory=dict)
    _earlier: list[str] = field(default_factory=list)
    _print: Fingerprint | None = None

    def begin(self) -> Fingerprint:
        """Reads all files, and writes down what there is."""
        budget = Budget(bytes=self.plan.tested.most_bytes)
        self._trees = self._all_trees()
        for tree in self._trees.values():
            tree.look(budget)
        self._print = Fingerprint(
            seatrial=self.version,
            spec=self.plan.digest,
            configuration=self._configuration(),
            groups={name: tree.group() for name, tree in self._trees.items()},
            environment=self._environment(),
        )
        (self.directory / TESTED).write_bytes(_written(self._print, self._trees))
        if self.since is not None:
            self._earlier = list(_since(self.since, self._trees, self.plan.file.resolve()))
        return self._print

    def changes(self) -> Sequence[str]:
        """What is otherwise, a line each."""
        if self._print is None:
            return ()
        found = [*self._earlier]
        for name, tree in self._trees.items():
            found += [f"{name}: {line}" for line in tree.changes()]
        now = self._environment()
        found += [f"{n} has another value" for n, value in self._print.environment.items() if now.get(n) != value]
        return found

    def _all_trees(self) -> dict[str, Tree]:
        plan, base = self.plan, self.plan.file.resolve().parent
        ignore = pattern_of((*IGNORED, *plan.tested.ignore))
        beside = (self.directory.parent.parent,)
        files = tuple(dict.fromkeys(p.resolve() for p in plan.files))
        trees = {_SPEC: Tree(root=base, ignore=ignore, only=files)}
        for directory, services in directories(plan).items():
            name = f"{', '.join(services)} ({_shown(directory, base)})"
            trees[name] = Tree(root=directory, ignore=ignore, beside=beside)
        also = (*(p for pattern in plan.tested.also for p in sorted(base.glob(pattern))), *_declared(plan, base))
        for place in (p.resolve() for p in also if p.is_dir() and ignore.fullmatch(p.name) is None):
            if not any(t.only is None and (t.root == place or t.root in place.parents) for t in trees.values()):
                trees[_shown(place, base)] = Tree(root=place, ignore=ignore, beside=beside)
        single = (p.resolve() for p in also if p.is_file() and ignore.fullmatch(p.name) is None)
        named = tuple(
            dict.fromkeys(p for p in single if not any(t.root in p.parents for t in trees.values() if t.only is None))
        )
        if named:
            trees["other files"] = Tree(root=base, ignore=ignore, only=named)
        return trees

    def _configuration(self) -> str:
        services = {n: [s.kind, _without(s)] for n, s in self.plan.stack.services.items()}
        return hashlib.sha256(canonical(plain([self.plan.values, services]))).hexdigest()

    def _environment(self) -> dict[str, str]:
        key = installation_key(self.directory.parent.parent)

        def hashed(value: object) -> str:
            return hmac.new(key, canonical(plain(value)), hashlib.sha256).hexdigest()[:32]

        found = {}
        for name, service in self.plan.stack.services.items():
            given = service.arguments.get("environment")
            for variable, value in given.items() if isinstance(given, Mapping) else ():
                found[f"{name}: {variable}"] = hashed(value)
        return found | {f"secret {name}": hashed(value) for name, value in self.secret().items()}


def directories(plan: Plan) -> dict[Path, list[str]]:
    """Where services of commands run from, with their names; those inside others are parts of them."""
    found: dict[Path, list[str]] = {}
    for service in plan.stack.services.values():
        given = service.arguments.get("directory", "")
        if service.kind == "process" and isinstance(given, str):
            found.setdefault((plan.stack.directory / given).resolve(), []).append(service.name)
    return {d: names for d, names in found.items() if d.is_dir() and not any(o in d.parents for o in found)}


def installation_key(root: Path) -> bytes:
    """Made once, private to the user."""
    path = root / KEY
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        known = path.read_bytes()
        return known if len(known) == 32 else hashlib.sha256(known).digest()
    with os.fdopen(descriptor, "wb") as file:
        file.write(made := secrets.token_bytes(32))
    return made


def _declared(plan: Plan, base: Path) -> Iterator[Path]:
    """Files that `paths:` speak of."""
    patterns = [(base, p) for s in plan.scenarios for p in s.paths]
    patterns += [(plan.stack.directory, p) for s in plan.stack.services.values() for p in s.paths]
    for root, pattern in dict.fromkeys(patterns):
        yield from sorted(root.glob(pattern))


def _without(service: ServicePlan) -> dict[str, Any]:
    return {n: v for n, v in service.arguments.items() if n != "environment"}


def _shown(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


def _written(print_: Fingerprint, trees: Mapping[str, Tree]) -> bytes:
    groups = {
        name: {
            "root": str(tree.root),
            "partial": tree.partial,
            "files": {n: [s.sha256, s.stamp[0], s.mode, s.link] for n, s in sorted(tree.files.items())},
        }
        for name, tree in trees.items()
    }
    members = (f"{json.dumps(n)}: {_lines(g)}" for n, g in groups.items())
    head = json.dumps({n: v for n, v in plain(print_).items() if n != "groups"}, ensure_ascii=False)
    return (head[:-1] + ',\n"groups": {\n' + ",\n".join(members) + "\n}}\n").encode()


def _lines(group: Mapping[str, Any]) -> str:
    """A line for each file, so that two of them can be compared by line."""
    files = (f" {json.dumps(n, ensure_ascii=False)}: {json.dumps(v)}" for n, v in group["files"].items())
    head = json.dumps({n: v for n, v in group.items() if n != "files"}, ensure_ascii=False)
    return head[:-1] + ', "files": {\n' + ",\n".join(files) + "}}"


def read_tested(trial: Path) -> dict[str, dict[str, list[Any]]] | None:
    """Root -> path -> [sha256, size, mode, link], as a trial found it. None where it is not there."""
    try:
        groups = json.loads((trial / TESTED).read_text(encoding="utf-8"))["groups"]
        found: dict[str, dict[str, list[Any]]] = {}
        for group in groups.values():
            found.setdefault(str(group["root"]), {}).update(group["files"])
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def changed_since(plan: Plan, trial: Path) -> list[Path] | None:
    """Files that are otherwise than an earlier trial found them, those that appeared or went included; None where its records are gone."""
    known = read_tested(trial)
    if known is None:
        return None
    looking = PlanFingerprinter(plan=plan, version="", directory=trial, secret=dict)
    found: list[Path] = []
    seen: set[Path] = set()
    for tree in looking._all_trees().values():
        tree.look(Budget(bytes=plan.tested.most_bytes))
        before = known.get(str(tree.root), {})
        now = {name: (s.sha256, s.stamp[0], s.link) for name, s in tree.files.items()}
        for name in sorted(now.keys() | before.keys()):
            was = (before[name][0], before[name][1], before[name][3]) if name in before else None
            path = (tree.root / name).resolve()
            if now.get(name) != was and path not in seen:
                seen.add(path)
                found.append(path)
    return found


def spec_files(trial: Path) -> dict[str, str]:
    """The files that the spec was compiled from, relative to it, with their sha256, as a trial found them."""
    try:
        files = json.loads((trial / TESTED).read_text(encoding="utf-8"))["groups"][_SPEC]["files"]
        return {str(name): str(seen[0]) for name, seen in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}


def _since(earlier: Path, trees: Mapping[str, Tree], spec: Path) -> Iterator[str]:
    """What is otherwise than when the stack was brought up: what runs is not what is there. The spec asks, and does not run."""
    known = read_tested(earlier) or {}
    for name, tree in trees.items():
        before = known.get(str(tree.root))
        if before is None or name == _SPEC:
            continue
        now = {n: s.sha256 for n, s in tree.files.items()}
        for path in sorted(before.keys() | now.keys()):
            if tree.root / path == spec:
                continue
            if path not in now or path not in before or before[path][0] != now[path]:
                yield f"{name}: {path} is not what it was when the stack was brought up"


__all__ = ["PlanFingerprinter", "directories", "installation_key", "read_tested", "spec_files"]
