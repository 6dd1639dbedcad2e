"""What was tested, as digests: the files, the programs, the configuration. A verdict is about this, and about nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .results import PlannedFinding

TESTED = "tested.json"  # in a trial's directory: every file with its digest
UNCHANGED = "trial/nothing-changed"
PLANNED = PlannedFinding(
    id=UNCHANGED, scenario="trial", claim="what is tested is the same at the end as it was at the beginning"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileGroup:
    """The files of a directory, or those of the spec. `sha256` is over paths, digests and modes, sorted.

    `partial`: why not all of them were hashed; those that were not are told apart by size and time alone.
    """

    files: int
    bytes: int
    sha256: str
    partial: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What an instance runs: an executable, an image. `digest` as algorithm:hex; `version` where it is known."""

    subject: str  # an instance, or a service
    name: str
    digest: str = ""
    version: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.version, self.digest)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """What is tested, before it is started. `environment`: names to keyed hashes, which tell nothing to who has not the key."""

    seatrial: str
    spec: str  # digest of the files that the plan was compiled from
    configuration: str  # of the values and services as compiled
    groups: Mapping[str, FileGroup] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def digest(self, parts: Sequence[Part] = ()) -> str:
        """One sha256 for all of it, environments excepted: equal where the same was tested, on whatever machine."""
        whole = {
            "spec": self.spec,
            "configuration": self.configuration,
            "groups": {name: group.sha256 for name, group in self.groups.items()},
            "parts": sorted({f"{p.subject.partition('#')[0]} {p}" for p in parts}),
        }
        return hashlib.sha256(canonical(whole)).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFile:
    """A file that a process has open for writing. By all three: a name may lead to another file, and an inode is given out again."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What is otherwise than it was, a line each. `own`: what services were seen to write, or what is state; it does not count.

    `hint`: what to write into the spec if services write the rest themselves, too; "" where nothing can be proposed.
    """

    changes: Sequence[str] = ()
    own: Sequence[str] = ()
    hint: str = ""


class Fingerprinter(Protocol):
    """Looks at what is tested. Both read files: call them where that may take its time."""

    def begin(self) -> Fingerprint:
        """Before anything is started. Never raises for a file that cannot be read: its group is partial."""
        ...

    def drift(self, written: Mapping[OpenFile, str], parts: Sequence[Part] = ()) -> Drift:
        """What is otherwise since then. `written`: what instances were seen to have open for writing, with their names; `parts`: what
        they run.
        """
        ...


def canonical(value: object) -> bytes:
    """JSON of one form alone: what is hashed, signed and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def changed_parts(before: Sequence[Part], after: Sequence[Part]) -> list[str]:
    """A line for each subject whose part is another than it was."""
    known = {p.subject: p for p in before}
    return [
        f"{p.subject} runs {p}, and ran {known[p.subject]}"
        for p in after
        if p.subject in known and known[p.subject] != p
    ]
