"""What was proven before: a proof is kept under a fingerprint of the check, what it reads, and the stack."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from ..attestation.files import IGNORED, Budget, Tree, pattern_of
from ..attestation.fingerprinting import directories
from ..core.errors import UsageError
from ..core.expressions import Expression
from ..core.plan import Plan
from ..core.proofs import Proof, Proven
from ..core.templates import Template
from ..core.vocabulary import Vocabulary
from ..engine.generating import VERSION as GENERATED
from ..engine.proving import Subject, expectations_of, subjects_of
from .directories import trials_root
from .planning import missing
from .vocabulary import vocabulary

FILE = "proofs.json"
ALL = "*"  # every variant
HERE = "?"  # which optional services can be had
_VERSION = 2  # of how checks are proven: what was shown otherwise is shown again
_MOST_BYTES = 64 << 20


@dataclass(kw_only=True)
class Memory:
    """Proofs by fingerprint, in a file beside the trials."""

    path: Path
    proofs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path | None) -> Memory:
        """That of a directory of trials. Raises UsageError for a file that is damaged."""
        path = trials_root(root).parent / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            proofs = content["proofs"] if content["version"] == _VERSION else {}
        except FileNotFoundError:
            proofs = {}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError.simple(
                f"{path} is damaged: {error}", "remove it: what was proven is proven again"
            ) from None
        return cls(path=path, proofs=proofs)

    def known(self, fingerprints: Mapping[str, str], plan: Plan) -> dict[str, Proof]:
        """Findings whose check has not changed since it was proven, nor the variant that did; and those of which another try would have
        shown the same, while there are the same variants to prove them by, and the same services.
        """
        found: dict[str, Proof] = {}
        digests = Digests(plan)
        for finding, fingerprint in fingerprints.items():
            kept = self.proofs.get(fingerprint)
            if kept is not None and kept["finding"] == finding and digests.hold(kept["rests_on"]):
                found[finding] = Proof(
                    finding=finding,
                    outcome=Proven(kept["outcome"]),
                    by=tuple(kept["by"]),
                    why=kept["why"],
                    fingerprint=fingerprint,
                    remembered=True,
                )
        return found

    def add(self, proofs: Iterable[Proof], plan: Plan, names: Mapping[str, Path], lasting: Collection[str]) -> None:
        """Keep those that hold, and of `lasting` findings whatever was shown. `names`: of variants, and their files."""
        digests = Digests(plan)
        for proof in proofs:
            if not proof.fingerprint or proof.remembered:
                continue
            if proof.outcome is Proven.PROVEN:
                by = [b.removeprefix("variant ") for b in proof.by if b.startswith("variant ")]
                files = [names[n].name for n in by if n in names] if len(by) == len(proof.by) else []
            elif proof.finding in lasting:
                files = [ALL, HERE]
            else:
                continue
            kept = {**asdict(proof), "outcome": proof.outcome.value, "rests_on": {n: digests.of(n) for n in files}}
            self.proofs[proof.fingerprint] = kept

    def save(self) -> None:
        """Whole or not at all, whatever interrupts it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps({"version": _VERSION, "proofs": self.proofs}, indent=1), encoding="utf-8")
        draft.replace(self.path)


class Digests:
    """SHA-256 of the files of a plan's variants, each with what all of them may run: whatever else lies in their directory."""

    def __init__(self, plan: Plan) -> None:
        self._directory = variants_of(plan)
        self._plan = plan
        self._found: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Of one by its file's name, of ALL of them and the way in which others are generated, or of what is HERE of the stack."""
        if name not in self._found and name == HERE:
            self._found[name] = _hash(sorted(service for service, _ in missing(self._plan)))
        if name not in self._found:
            total = hashlib.sha256(str(GENERATED).encode() if name == ALL else b"")
            for path in sorted(self._directory.rglob("*")) if self._directory.is_dir() else ():
                own = path.suffix != ".yaml" or name == ALL or path.name == name
                if own and path.is_file() and "__pycache__" not in path.parts:
                    total.update(
                        f"{path.relative_to(self._directory)} {path.stat().st_size}\n".encode() + path.read_bytes()
                    )
            self._found[name] = total.hexdigest()
        return self._found[name]

    def hold(self, known: Mapping[str, str]) -> bool:
        """Whether all of them are as they were."""
        return all(self.of(name) == digest for name, digest in known.items())


def fingerprints(plan: Plan, vocabulary: Vocabulary, root: Path | None) -> dict[str, str]:
    """By finding: SHA-256 of the check with what it says that it notices, of the stack and of the files that its services run from.

    An expectation of figures has in its own the clients that it speaks of, and the steps of its scenario.
    """
    stack = _hash(_plain(plan.stack), *_files_of(plan, root))
    found = {s.finding: _hash(s.finding, _check(s), stack) for s in subjects_of(plan, vocabulary)}
    clients = {**plan.workloads, **plan.loads}
    around = {s.id: _plain([s.steps, s.finally_, s.throughout, plan.throughout]) for s in plan.scenarios}
    for finding, expectation in expectations_of(plan):
        used = [_plain(clients[n]) for n in expectation.condition.names if n in clients]
        where = around.get(finding.partition("/")[0], list(plan.throughout))
        found[finding] = _hash(finding, expectation.condition.canonical, used, where, stack)
    return found


def _check(subject: Subject) -> object:
    return [_plain(subject.check), list(subject.notices)]


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _files_of(plan: Plan, root: Path | None) -> list[str]:
    """The directories that services run from, each with the digest of its files; of what is large, by size. The spec asks, and does not
    run: a check has a fingerprint of its own.
    """
    ignore, budget = pattern_of((*IGNORED, *plan.tested.ignore, plan.file.name)), Budget(bytes=_MOST_BYTES)
    found: list[str] = []
    for directory, services in directories(plan).items():
        tree = Tree(root=directory, ignore=ignore, beside=(trials_root(root).resolve().parent,))
        tree.look(budget)
        found.append(f"{', '.join(services)} {tree.group().sha256}")
    return found


def _plain(value: object) -> object:
    """A tree of plain values, without positions: a check that has moved is the same. And without what has its default: nobody said
    anything of it, and a later release, which knows more that can be said, is not to forget what was proven.
    """
    if isinstance(value, Expression):
        return value.canonical
    if isinstance(value, Template):
        return [_plain(piece) for piece in value.pieces]
    if is_dataclass(value) and not isinstance(value, type):
        said = (f for f in fields(value) if f.name != "position" and getattr(value, f.name) != _default(f))
        return {f.name: _plain(getattr(value, f.name)) for f in said}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _default(known: Field[Any]) -> object:
    if known.default is not MISSING:
        return known.default
    return known.default_factory() if known.default_factory is not MISSING else MISSING


def proven(plan: Plan, root: Path | None) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Fingerprints of a plan's checks, and what has proven each: nothing, for one that is not proven."""
    prints = fingerprints(plan, vocabulary(), root)
    known = Memory.of(root).known(prints, plan)
    return prints, {i: known[i].by if i in known and known[i].outcome is Proven.PROVEN else () for i in prints}


def variants_of(plan: Plan) -> Path:
    """The directory of a plan's variants, whether it is there or not."""
    return plan.file.resolve().parent / "variants"
