"""`seatrial attest`, `verify` and `sign-off`: evidence that can be shown to somebody else."""

from __future__ import annotations

import getpass
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..attestation import seals
from ..attestation.envelope import seal
from ..attestation.keys import PASSWORDS, load_signer, load_verifier, need_cryptography, new_key
from ..attestation.statement import statement
from ..attestation.verifying import verify
from ..core.errors import UsageError
from ..core.events import JOURNAL
from ..core.quantities import Dimension, QuantityError, parse_quantity
from ..reports.words import mark, style
from .directories import find_trial

if TYPE_CHECKING:
    from rich.console import Console

ATTESTATION = "attestation.json"


def make_key(path: Path, console: Console) -> int:
    """`attest --new-key`."""
    password = next((os.environ[n] for n in PASSWORDS if os.environ.get(n)), "")
    public = new_key(path, password.encode() or None)
    hidden = (
        "encrypted with the password from the environment"
        if password
        else f"not encrypted: set {PASSWORDS[0]} for that"
    )
    console.print(
        f"{path}: a new ed25519 key ({hidden})\n{public}: its public half, for seatrial verify --key", highlight=False
    )
    return 0


def attest(trial: str | None, key: Path, expires: str, output: Path | None, root: Path | None, console: Console) -> int:
    """Sign what a trial came to. Raises UsageError where its records are not whole, or the key is of no use."""
    need_cryptography()
    directory = find_trial(None if trial == "latest" else trial, root)
    made = datetime.now(UTC)
    until = made + _duration(expires)
    signer = load_signer(key, lambda: password_for(key))
    content = statement(directory, made, until, signer.id)
    path = output or directory / ATTESTATION
    path.write_bytes(seal(content, signer.id, signer.sign).encode())
    result = content["predicate"]["result"]
    count = len(content["subject"])
    console.print(
        f"{path}: {result}, {count} subjects, {signer.algorithm} key {signer.id[:16]}, until {until:%Y-%m-%d %H:%M} UTC",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def check(
    attestation: Path, trial: Path | None, key: Path | None, spec: Path | None, console: Console, *, as_json: bool
) -> int:
    """`seatrial verify`. Exit status 0 good, 1 refused, 2 it cannot be told."""
    try:
        data = (attestation / ATTESTATION if attestation.is_dir() else attestation).read_bytes()
    except OSError as error:
        raise UsageError.simple(
            f"{attestation}: {(error.strerror or str(error)).lower()}", "seatrial attest TRIAL --key KEY makes one"
        ) from None
    beside = attestation if attestation.is_dir() else attestation.resolve().parent
    where = trial or (beside if (beside / JOURNAL).exists() else None)
    if trial is not None and not (trial / JOURNAL).exists():
        raise UsageError.simple(f"{trial} is no trial: it has no {JOURNAL}", "--trial names a trial's directory")
    found = verify(data, load_verifier(key) if key is not None else None, where, datetime.now(UTC), spec)
    if as_json:
        shown = {n: getattr(found, n) for n in ("wrong", "unknown", "checked", "result", "said")}
        sys.stdout.write(json.dumps({"good": found.exit_status == 0, **shown}, indent=1, ensure_ascii=False) + "\n")
        return found.exit_status
    word = ("PASS", "FAIL", "INCONCLUSIVE")[found.exit_status]
    head = ("good", "refused", "it cannot be told")[found.exit_status]
    console.print(f"{mark(word)} {head}", style=style(word), highlight=False)
    for line in (*found.wrong, *found.unknown, *found.checked):
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    if spec is None and not found.wrong:
        console.print("  the spec's files were not looked at: --spec DIRECTORY", highlight=False)
    if where is None and not found.wrong:
        console.print("  the trial's files were not looked at: --trial DIRECTORY", highlight=False)
    if found.said and not found.wrong:
        _say(found.said, found.result, console)
    return found.exit_status


def sign_off(trial: str | None, by: str, role: str, reason: str, root: Path | None, console: Console) -> int:
    """Record who takes a trial as it is, and make its reports again, which then say so."""
    from .reporting import write_reports

    directory = find_trial(None if trial == "latest" else trial, root)
    signed = seals.sign_off(directory, by, reason, role)
    write_reports(directory)
    attested = (
        "; attest it again: what was attested before has no such line" if (directory / ATTESTATION).exists() else ""
    )
    console.print(
        f"{directory.name} is signed off by {signed.by}, {signed.at}: {signed.reason}{attested}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def password_for(key: Path) -> bytes:
    """From the environment, else from who sits there. Raises UsageError where nobody does."""
    for name in PASSWORDS:
        if name in os.environ:
            return os.environ[name].encode()
    if not sys.stdin.isatty():
        raise UsageError.simple(f"{key} is encrypted", f"its password is read from {' or '.join(PASSWORDS)}")
    return getpass.getpass(f"password of {key}: ").encode()


def _say(said: object, result: str, console: Console) -> None:
    if not isinstance(said, dict):
        return
    console.print(
        f"  {said['trial']}: {result} ({said['summary']}), {said['started']}", highlight=False, soft_wrap=True
    )
    for name, waiver in said["waivers"].items():
        console.print(f"  waived: {name} {waiver}", highlight=False, soft_wrap=True)
    for signed in said["signOffs"]:
        console.print(
            f"  signed off by {signed['by']}, {signed['at']}: {signed['reason']}", highlight=False, soft_wrap=True
        )


def _duration(text: str) -> timedelta:
    days = text.removesuffix("d")
    if days != text and days.isdecimal():
        found = timedelta(days=int(days))
    else:
        try:
            found = timedelta(microseconds=parse_quantity(text, Dimension.DURATION).value / 1000)
        except (QuantityError, OverflowError) as error:
            raise UsageError.simple(f"--expires: {error}", "90d, 12h") from None
    if not timedelta() < found <= timedelta(days=3660):
        raise UsageError.simple(f"--expires {text} is no time that an attestation can count for", "90d, 12h")
    return found


__all__ = ["attest", "check", "make_key", "sign_off"]
