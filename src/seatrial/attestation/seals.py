"""A trial's manifest: seals over what was recorded, and who signed it off. Append-only; each line holds the digest of the one before it.

The journal's writer sums up what it writes while it writes; at the end the sum goes here. Whoever changes a journal afterwards must change
this file, too: that is what an attestation signs. Lines are objects with `prev` and one of:

- ``seal: journal``: bytes, lines and sha256 of journal.jsonl as its writer left it; likewise of keeper.jsonl, as far as it went then
- ``seal: reports``: sha256 of the reports that were made
- ``sign-off``: by whom, why, when
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import UsageError
from ..core.events import JOURNAL, ColumnSealed, Fingerprinted, decode
from ..core.fingerprints import canonical

MANIFEST = "manifest.jsonl"
KEEPER = "keeper.jsonl"
REPORTS = ("report.html", "report.json", "junit.xml")
_FIRST = "0" * 64


class Written(Protocol):
    """What a journal's writer says of what it wrote."""

    @property
    def bytes(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SignOff:
    """Somebody who takes a trial as it is."""

    by: str
    reason: str
    at: str  # ISO 8601, UTC
    role: str = ""


def append(directory: Path, entry: Mapping[str, Any]) -> None:
    """One line more. Raises UsageError where the manifest was changed by somebody else."""
    with (directory / MANIFEST).open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = file.read().splitlines(keepends=True)
        if before and not before[-1].endswith(b"\n"):
            raise UsageError.simple(f"{directory / MANIFEST} ends in half a line: somebody changed it")
        previous = hashlib.sha256(before[-1]).hexdigest() if before else _FIRST
        file.write(canonical({**entry, "prev": previous}) + b"\n")


def seal_trial(directory: Path, journal: Written) -> None:
    """The end of a trial's records."""
    entry: dict[str, Any] = {
        "seal": "journal",
        "at": _now(),
        JOURNAL: {"bytes": journal.bytes, "lines": journal.lines, "sha256": journal.sha256},
    }
    keeper = directory / KEEPER
    if keeper.exists():
        content = keeper.read_bytes()
        entry[KEEPER] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    append(directory, entry)


def seal_reports(directory: Path) -> None:
    """What reports say, once they were made; nothing where they are what they were."""
    digests = {name: sha256_of(directory / name) for name in REPORTS if (directory / name).exists()}
    if digests != reports_in(list(entries(directory))):
        append(directory, {"seal": "reports", "at": _now(), "files": digests})


def sign_off(directory: Path, by: str, reason: str, role: str = "") -> SignOff:
    """Record it. Raises UsageError for one without a name or a reason, and for records that are not whole."""
    if not by.strip() or not reason.strip():
        raise UsageError.simple("a sign-off has a name and a reason", '--by "Ada Lovelace" --reason "..."')
    broken = list(problems(directory))
    if broken:
        raise UsageError.simple(f"the records are not what was sealed: {'; '.join(broken)}", "run the trial again")
    signed = SignOff(by=by.strip(), reason=reason.strip(), at=_now(), role=role.strip())
    append(
        directory,
        {"sign-off": {"by": signed.by, "reason": signed.reason, "role": signed.role, "at": signed.at}},
    )
    return signed


def sign_offs(directory: Path) -> list[SignOff]:
    """In their order."""
    return [SignOff(**e["sign-off"]) for e in entries(directory) if isinstance(e.get("sign-off"), dict)]


def entries(directory: Path) -> Iterator[Mapping[str, Any]]:
    """The manifest's lines; none where there is no manifest, and none from the first that cannot be read on."""
    try:
        lines = (directory / MANIFEST).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict):
            yield entry


def reports_in(manifest: list[Mapping[str, Any]]) -> Mapping[str, str]:
    """The digests of the reports that were made last."""
    found: object = next((e.get("files") for e in reversed(manifest) if e.get("seal") == "reports"), {})
    return {str(n): str(digest) for n, digest in found.items()} if isinstance(found, dict) else {}


def problems(directory: Path) -> Iterator[str]:
    """What is not as it was sealed, a line each: the chain, the journal, the keeper's records, columns, fingerprints, reports."""
    broken = list(_chain(directory))
    yield from broken
    if broken:
        return  # what it says of the others is worth nothing
    manifest = list(entries(directory))
    sealed = [e for e in manifest if e.get("seal") == "journal"]
    if not sealed:
        yield f"{JOURNAL} was never sealed: the trial has no end"
        return
    try:
        content = (directory / JOURNAL).read_bytes()
    except OSError as error:
        yield f"{JOURNAL}: {error.strerror}"
        return
    journal = sealed[-1].get(JOURNAL)
    if not isinstance(journal, dict) or hashlib.sha256(content).hexdigest() != journal.get("sha256"):
        yield f"{JOURNAL} is not what was sealed"
    yield from _keeper(directory, sealed[-1].get(KEEPER))
    yield from _files(directory, dict(_sealed_files(content)))
    yield from _files(directory, dict(reports_in(manifest)))


def columns(directory: Path) -> dict[str, str]:
    """Files that the journal itself seals, with their digests."""
    try:
        return dict(_sealed_files((directory / JOURNAL).read_bytes()))
    except OSError:
        return {}


def sha256_of(path: Path) -> str:
    """Of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chain(directory: Path) -> Iterator[str]:
    """Each line is canonical, and holds the digest of the one before it."""
    try:
        lines = (directory / MANIFEST).read_bytes().splitlines(keepends=True)
    except OSError:
        yield f"{MANIFEST} is not there: the trial has no end"
        return
    previous = _FIRST
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            whole = line == canonical(entry) + b"\n" and entry["prev"] == previous
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            yield f"{MANIFEST} was changed in line {number}"
            return
        previous = hashlib.sha256(line).hexdigest()


def _keeper(directory: Path, sealed: Mapping[str, Any] | None) -> Iterator[str]:
    """What the keeper had written by then; what it and `undo` wrote later is not sealed."""
    if sealed is None:
        return
    try:
        content = (directory / KEEPER).read_bytes()[: int(sealed["bytes"])]
    except OSError as error:
        yield f"{KEEPER}: {error.strerror}"
        return
    except (KeyError, TypeError, ValueError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sealed.get("sha256"):
        yield f"{KEEPER} is not what was sealed"


def _files(directory: Path, digests: Mapping[str, str]) -> Iterator[str]:
    for name, digest in digests.items():
        try:
            if sha256_of(directory / name) != digest:
                yield f"{name} is not what was sealed"
        except OSError as error:
            yield f"{name}: {error.strerror}"


def _sealed_files(journal: bytes) -> Iterator[tuple[str, str]]:
    for line in journal.splitlines():
        if b'"ColumnSealed"' not in line and b'"Fingerprinted"' not in line:
            continue
        entry = decode(line.decode("utf-8", "replace"))
        if entry is not None and isinstance(entry.event, ColumnSealed | Fingerprinted) and entry.event.sha256:
            yield entry.event.file, entry.event.sha256


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
