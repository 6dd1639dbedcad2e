"""What was proven before: a proof is kept under a fingerprint of the check, what it reads, and the stack."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
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
from ..engine.proving import Subject, subjects_of
from .directories import trials_root
from .vocabulary import vocabulary

FILE = "proofs.json"
_VERSION = 1  # of how checks are proven: what was shown otherwise is shown again
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

    def known(self, fingerprints: Mapping[str, str]) -> dict[str, Proof]:
        """Findings whose check was proven, and has not changed since."""
        found: dict[str, Proof] = {}
        for finding, fingerprint in fingerprints.items():
            kept = self.proofs.get(fingerprint)
            if kept is not None and kept["finding"] == finding:
                found[finding] = Proof(
                    finding=finding,
                    outcome=Proven(kept["outcome"]),
                    by=tuple(kept["by"]),
                    why=kept["why"],
                    fingerprint=fingerprint,
                    remembered=True,
                )
        return found

    def add(self, proofs: Iterable[Proof]) -> None:
        """Keep those that hold; what is blind is shown anew each time, for somebody may have opened its eyes."""
        for proof in proofs:
            if proof.fingerprint and proof.outcome is Proven.PROVEN:
                self.proofs[proof.fingerprint] = {**asdict(proof), "outcome": proof.outcome.value}

    def save(self) -> None:
        """Whole or not at all, whatever interrupts it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps({"version": _VERSION, "proofs": self.proofs}, indent=1), encoding="utf-8")
        draft.replace(self.path)


def fingerprints(plan: Plan, vocabulary: Vocabulary, root: Path | None) -> dict[str, str]:
    """By finding: SHA-256 of the check with what it says that it notices, of the stack and of the files that its services run from.

    What is named by variants alone (workloads, expectations) has the whole spec in its own.
    """
    stack = _hash(_plain(plan.stack), *_files_of(plan, root))
    found = {s.finding: _hash(s.finding, _check(s), stack) for s in subjects_of(plan, vocabulary)}
    whole = _hash(plan.digest, stack)
    for scenario in plan.scenarios:
        found |= {f"{scenario.id}/{e.name}": _hash(f"{scenario.id}/{e.name}", whole) for e in scenario.expect}
    return found | {f"trial/{e.name}": _hash(f"trial/{e.name}", whole) for e in plan.expect}


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
    """A tree of plain values, without positions: a check that has moved is the same."""
    if isinstance(value, Expression):
        return value.canonical
    if isinstance(value, Template):
        return [_plain(piece) for piece in value.pieces]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "position"}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def proven(plan: Plan, root: Path | None) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Fingerprints of a plan's checks, and what has proven each: nothing, for one that is not proven."""
    prints = fingerprints(plan, vocabulary(), root)
    known = Memory.of(root).known(prints)
    return prints, {finding: known[finding].by if finding in known else () for finding in prints}
