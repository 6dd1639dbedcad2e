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
from ..core.fingerprints import TESTED, Drift, Fingerprint, OpenFile, Part, canonical, changed_parts
from ..core.plan import FilesTested, Plan
from ..core.stack import ServicePlan
from .files import IGNORED, Budget, FileChange, Tree, pattern_of
from .ownership import line_to_paste, proposed, whose

KEY = "key"  # in .seatrial: with it environments are hashed, so that nobody who reads a report can try values out
PARTS = "parts.json"  # what ran, beside an earlier `tested.json`
_SPEC = "spec"
_MOST_HINTED = 200  # changes that a hint is made from


@dataclass(frozen=True, kw_only=True, slots=True)
class Since:
    """An earlier look: the directory with its `tested.json`, and when that was, for people.

    `whole`: spec, configuration, environment and programs must be those of then as well: the rounds of a soak are one trial. What a kept
    stack runs must be what is there; the spec asks, and does not run.
    """

    directory: Path
    when: str
    whole: bool = False


@dataclass(kw_only=True)
class PlanFingerprinter:
    """core.fingerprints.Fingerprinter of a plan. `directory` is the trial's; `since`: what else it must be the same as."""

    plan: Plan
    version: str
    directory: Path
    secret: Callable[[], Mapping[str, str]]  # secrets that were given, by name
    since: Sequence[Since] = ()
    _trees: dict[str, Tree] = field(default_factory=dict)
    _earlier: list[tuple[str, FileChange]] = field(default_factory=list)
    _otherwise: list[str] = field(default_factory=list)
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
        for since in self.since:
            known = {(name, change.path) for name, change in self._earlier}
            found = _since(since, self._trees, self.plan.file.resolve())
            self._earlier += [(name, c) for name, c in found if (name, c.path) not in known]
            self._otherwise += _otherwise(since, self._print)
        return self._print

    def drift(self, written: Mapping[OpenFile, str], parts: Sequence[Part] = ()) -> Drift:
        """What is otherwise, a line each."""
        if self._print is None:
            return Drift()
        found = [*self._earlier, *((n, c) for n, tree in self._trees.items() for c in tree.changes())]
        counts: list[tuple[str, FileChange]] = []
        own: list[str] = []
        for name, change in found:
            why = whose(change.name, change.path, change.database, written)
            if why:
                own.append(f"{name}: {change}: {why}")
            else:
                counts.append((name, change))
        lines = [*self._otherwise, *(f"{name}: {c}" for name, c in counts)]
        for since in (s for s in self.since if s.whole):
            lines += [f"{line} {since.when}" for line in changed_parts(read_parts(since.directory), parts)]
        now = self._environment()
        lines += [f"{n} has another value" for n, value in self._print.environment.items() if now.get(n) != value]
        return Drift(changes=lines, own=own, hint=self._hint(counts))

    def _hint(self, counts: Sequence[tuple[str, FileChange]]) -> str:
        patterns: dict[str, None] = {}
        for name, tree in self._trees.items():
            changed = {c.name: c for n, c in counts[:_MOST_HINTED] if n == name}
            if tree.only is None and changed:
                modes = {n: s.mode for n, s in tree.files.items()} | {n: _mode(c.path) for n, c in changed.items()}
                appeared = {n for n, c in changed.items() if c.appeared}
                patterns.update(dict.fromkeys(proposed(changed, modes, appeared)))
        tested = self.plan.tested
        return line_to_paste(list(patterns), tested.ignore, more=tested != FilesTested())

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
            "files": {n: [s.sha256, s.stamp[0], s.mode, s.link, s.database] for n, s in sorted(tree.files.items())},
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
    """Root -> path -> [sha256, size, mode, link, inode of a database], as a trial found it. None where it is not there."""
    groups = _groups(trial)
    if groups is None:
        return None
    found: dict[str, dict[str, list[Any]]] = {}
    for root, files in groups.values():
        found.setdefault(root, {}).update(files)
    return found


def _groups(trial: Path) -> dict[str, tuple[str, dict[str, list[Any]]]] | None:
    """Group -> its root, and what `read_tested` says of its files."""
    try:
        groups = json.loads((trial / TESTED).read_text(encoding="utf-8"))["groups"]
        return {str(name): (str(group["root"]), dict(group["files"])) for name, group in groups.items()}
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


def write_parts(directory: Path, parts: Sequence[Part]) -> None:
    """What ran, for rounds to come."""
    (directory / PARTS).write_text(json.dumps(plain(parts), indent=1), encoding="utf-8")


def read_parts(directory: Path) -> list[Part]:
    """None where nobody wrote any down. Raises ValueError, TypeError for what is no such file."""
    path = directory / PARTS
    return [Part(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def _since(since: Since, trees: Mapping[str, Tree], spec: Path) -> Iterator[tuple[str, FileChange]]:
    """Files that are otherwise than then: what runs is not what is there."""
    known = _groups(since.directory) or {}
    for name, tree in trees.items():
        root, before = known.get(name, ("", {}))
        if root != str(tree.root) or (name == _SPEC and not since.whole):
            continue
        now = {n: s.sha256 for n, s in tree.files.items()}
        for path in sorted(before.keys() | now.keys()):
            if tree.root / path == spec and not since.whole:
                continue
            if path not in now or path not in before or before[path][0] != now[path]:
                seen = before.get(path)
                database = None if seen is None else int(seen[4]) if len(seen) > 4 else 0
                why = f"is not what it was {since.when}"
                yield name, FileChange(name=path, path=str(tree.root / path), why=why, database=database)


def _otherwise(since: Since, now: Fingerprint) -> Iterator[str]:
    """What is no file, and otherwise than then."""
    if not since.whole:
        return
    try:
        then = json.loads((since.directory / TESTED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield f"nothing is known of what was tested {since.when}"
        return
    if then.get("configuration") != now.configuration:
        yield f"the configuration as compiled is not what it was {since.when}"
    if then.get("seatrial") != now.seatrial:
        yield f"seatrial is {now.seatrial}, and was {then.get('seatrial')} {since.when}"
    environment = then.get("environment") or {}
    for name in sorted(environment.keys() | now.environment.keys()):
        if environment.get(name) != now.environment.get(name):
            yield f"{name} has not the value that it had {since.when}"


def _mode(path: str) -> int:
    """0 for a file that is not there."""
    try:
        return Path(path).stat().st_mode
    except OSError:
        return 0


__all__ = [
    "PlanFingerprinter",
    "Since",
    "directories",
    "installation_key",
    "read_parts",
    "read_tested",
    "spec_files",
    "write_parts",
]
