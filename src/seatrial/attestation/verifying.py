"""Checks an attestation offline: its form, its signature, its expiry, and that the trial's files are those that it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.events import JOURNAL
from .envelope import decode, pae
from .keys import Verifier
from .seals import MANIFEST, problems, sha256_of
from .statement import OWN, PREDICATE, SPEC, STATEMENT, WHAT_WAS_TESTED


@dataclass(kw_only=True)
class Verified:
    """What was found. `wrong`: why it is refused; `unknown`: what could not be told; `said`: our own predicate."""

    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    said: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""

    @property
    def exit_status(self) -> int:
        """0 good, 1 refused, 2 it cannot be told who signed."""
        return 1 if self.wrong else 2 if self.unknown else 0


def verify(
    data: bytes, verifier: Verifier | None, trial: Path | None, now: datetime, spec: Path | None = None
) -> Verified:
    """Everything that can be checked, with every reason against it. `trial`, `spec`: directories to hold against it."""
    found = Verified()
    try:
        envelope = decode(data)
    except UsageError as error:
        found.wrong.append(str(error))
        return found
    if verifier is None:
        found.unknown.append("nobody's key was given: who signed it is not known (--key FILE.pub)")
    elif envelope.key != verifier.id:
        found.wrong.append(f"it names the key {envelope.key[:16]}, and the one given is {verifier.id[:16]}")
    elif not verifier.verify(pae(envelope.payload), envelope.signature):
        found.wrong.append("the signature is not that of this key over this statement")
    else:
        found.checked.append(f"signed with {verifier.algorithm} key {verifier.id[:16]}")
    try:
        statement = json.loads(envelope.payload)
        _statement(statement, found, now)
        if trial is not None:
            _trial(statement, trial, found)
        if spec is not None:
            _spec(statement, spec, found)
    except (ValueError, KeyError, TypeError, AttributeError):
        found.wrong.append("what was signed is no statement of seatrial's")
    return found


def _statement(statement: Mapping[str, Any], found: Verified, now: datetime) -> None:
    if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
        found.wrong.append(f"it is a statement of another kind: {statement['predicateType']}")
        return
    found.said, found.result = statement["predicate"][OWN], str(statement["predicate"]["result"])
    expires = datetime.fromisoformat(found.said["expires"])
    if now > expires:
        found.wrong.append(f"it expired on {expires.isoformat(sep=' ')}")
    elif now < datetime.fromisoformat(found.said["made"]):
        found.wrong.append(f"it was made on {found.said['made']}, which is yet to come: one of the clocks is wrong")
    else:
        found.checked.append(f"expires on {expires.isoformat(sep=' ')}")


def _trial(statement: Mapping[str, Any], trial: Path, found: Verified) -> None:
    """The files that it speaks of, and the seals that the trial itself has."""
    names = _subjects(statement)
    files = {n: d for n, d in names.items() if n != WHAT_WAS_TESTED and ": " not in n and not n.startswith(SPEC)}
    wrong = list(_files(files, trial))
    wrong += [f"it says nothing of {needed}" for needed in (JOURNAL, MANIFEST) if needed not in files]
    found.wrong += wrong
    said = {w.partition(" ")[0].rstrip(":") for w in wrong}
    more = [p for p in problems(trial) if p.partition(" ")[0].rstrip(":") not in said]
    found.wrong += more
    if not wrong and not more:
        found.checked.append(f"{len(files)} files of {trial.resolve().name} are what was attested")


def _spec(statement: Mapping[str, Any], spec: Path, found: Verified) -> None:
    """The files that the spec was compiled from; relative to it, they may lead out of its directory."""
    files = {n.removeprefix(SPEC): d for n, d in _subjects(statement).items() if n.startswith(SPEC)}
    wrong = []
    for name, digest in files.items():
        try:
            if sha256_of(spec / name) != digest:
                wrong.append(f"{spec / name} is not what was tested")
        except OSError as error:
            wrong.append(f"{spec / name}: {(error.strerror or str(error)).lower()}")
    found.wrong += wrong
    if not wrong:
        found.checked.append(f"{len(files)} files of the spec in {spec} are what was tested")


def _subjects(statement: Mapping[str, Any]) -> dict[str, str]:
    return {str(s["name"]): str(s["digest"]["sha256"]) for s in statement["subject"]}


def _files(files: Mapping[str, str], trial: Path) -> Iterator[str]:
    for name, digest in files.items():
        path = trial / name
        if not path.resolve().is_relative_to(trial.resolve()):
            yield f"{name} is outside of the trial"
            continue
        try:
            if sha256_of(path) != digest:
                yield f"{name} is not what was attested"
        except OSError as error:
            yield f"{name}: {(error.strerror or str(error)).lower()}"
