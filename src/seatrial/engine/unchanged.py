"""That what is tested stays what it is: looked at before anything is started, and before anything is ended."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

from ..core.errors import SeatrialError
from ..core.events import Fingerprinted, Noted, PartsIdentified
from ..core.fingerprints import PLANNED, TESTED, UNCHANGED, Fingerprint, Fingerprinter, Part, changed_parts
from ..core.platforms import CanIdentify, Platform
from ..core.results import Evidence, Finding
from ..core.verdicts import Verdict
from .journal import Journal
from .ledger import Ledger

_SHOWN = 5


class Unchanged:
    """One finding: drift makes a verdict one about nothing, so it is INCONCLUSIVE, whatever else was found."""

    def __init__(
        self, fingerprinter: Fingerprinter | None, platform: Platform, journal: Journal, ledger: Ledger
    ) -> None:
        self._fingerprinter = fingerprinter
        self._platform = platform
        self._journal = journal
        self._ledger = ledger
        self._print: Fingerprint | None = None
        self._parts: tuple[Part, ...] | None = None
        self._began = time.monotonic_ns()

    async def begin(self) -> None:
        """Of the files and the configuration."""
        if self._fingerprinter is None:
            return
        began = time.monotonic_ns()
        self._print = await asyncio.to_thread(self._fingerprinter.begin)
        sha256 = await asyncio.to_thread(_sha256, self._journal.directory / TESTED)
        took = time.monotonic_ns() - began
        self._journal.write(Fingerprinted(print=self._print, file=TESTED, sha256=sha256, took_ns=took))
        for name, group in self._print.groups.items():
            if group.partial:
                self._journal.write(Noted(level="info", message=f"what was tested, {name}: {group.partial}"))

    async def identify(self) -> None:
        """What the instances run, once they do."""
        if self._print is None:
            return
        self._parts = await self._look()
        self._journal.write(PartsIdentified(parts=self._parts or (), digest=self._print.digest(self._parts or ())))

    async def judge(self, broken_off: str = "") -> None:
        """Before anything is ended: what runs can still be looked at. `broken_off`: why the trial did not come to its end; that nothing
        has changed shows nothing then.
        """
        if self._print is None or self._fingerprinter is None or UNCHANGED not in self._ledger.planned:
            return
        try:
            changes = [*await asyncio.to_thread(self._fingerprinter.changes)]
            if self._parts:
                changes += changed_parts(self._parts, await self._look() or ())
        except (OSError, SeatrialError) as error:
            self._ledger.inconclusive(
                UNCHANGED, f"what is tested could not be looked at again: {error}", exercised=True
            )
            return
        if broken_off and not changes:
            return
        now = time.monotonic_ns()
        more = f", and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        reason = "; ".join(changes[:_SHOWN]) + more
        files = sum(g.files for g in self._print.groups.values())
        parts = f" and {len(self._parts)} programs" if self._parts else ""
        self._ledger.judge(
            Finding(
                id=UNCHANGED,
                scenario=PLANNED.scenario,
                claim=PLANNED.claim,
                verdict=Verdict.INCONCLUSIVE if changes else Verdict.PASS,
                measured=f"{len(changes)} changes in {files:,} files{parts}",
                bound="0 changes",
                reason=f"what was tested changed meanwhile: {reason}" if changes else "",
                began_ns=self._began,
                ended_ns=now,
                evidence=(
                    Evidence(
                        kind="file",
                        summary=reason or f"digest {self._print.digest(self._parts or ())[:16]}",
                        at_ns=now,
                        data={"changes": changes[:100]},
                    ),
                ),
            )
        )

    async def _look(self) -> tuple[Part, ...] | None:
        if not isinstance(self._platform, CanIdentify):
            return None
        return tuple(await self._platform.parts())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
