"""Where trials are kept: .seatrial/trials/TIME-NAME beside the spec's caller, and a link to the latest."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from datetime import datetime
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import JOURNAL, SPEC

ROOT = Path(".seatrial")
STACK = "stack.path"  # the stack file that was used in place of the spec's own


def trials_root(root: Path | None = None) -> Path:
    """The directory that holds all trials; `SEATRIAL_DIRECTORY` or .seatrial in the current directory."""
    return (root or Path(os.environ.get("SEATRIAL_DIRECTORY", ROOT))).absolute() / "trials"


def new_trial(name: str, spec: Path, root: Path | None = None, stack: Path | None = None) -> Path:
    """Make a trial's directory, private to the user, and point `latest` at it."""
    trials = trials_root(root)
    stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "trial"
    directory = trials / f"{stamp}-{slug}-{secrets.token_hex(2)}"
    directory.mkdir(parents=True, mode=0o700)
    (directory / SPEC).write_text(f"{spec.absolute()}\n", encoding="utf-8")
    if stack is not None:
        (directory / STACK).write_text(f"{stack.absolute()}\n", encoding="utf-8")
    latest = trials.parent / "latest"
    fresh = trials.parent / f".latest-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        fresh.symlink_to(directory.relative_to(trials.parent))
        fresh.replace(latest)
    return directory


def find_trial(name: str | None, root: Path | None = None) -> Path:
    """A trial's directory by path, by (the beginning of) its name, or the latest. Raises UsageError with those there are."""
    trials = trials_root(root)
    if name is None:
        latest = trials.parent / "latest"
        if (latest / JOURNAL).exists():
            return latest.resolve()
        raise UsageError.simple(f"no trial in {trials}", "run one: seatrial run seatrial.yaml")
    if (Path(name) / JOURNAL).exists():
        return Path(name).resolve()
    found = sorted(p for p in trials.glob(f"{name}*") if (p / JOURNAL).exists())
    if len(found) == 1:
        return found[0]
    known = ", ".join(p.name for p in (found or sorted(trials.glob("*")))[-5:]) or "none"
    raise UsageError.simple(f"{'several trials begin with' if found else 'no trial'} {name!r}", f"trials here: {known}")
