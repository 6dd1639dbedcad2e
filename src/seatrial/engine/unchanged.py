"""That what is tested stays what it is: looked at before anything is started, and before anything is ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from pathlib import Path

from ..core.errors import SeatrialError
from ..core.events import Fingerprinted, Noted, PartsIdentified
from ..core.fingerprints import PLANNED, TESTED, UNCHANGED, Fingerprint, Fingerprinter, OpenFile, Part, changed_parts
from ..core.platforms import CanIdentify, CanSeeWriters, Platform
from ..core.results import Evidence, Finding
from ..core.verdicts import Verdict
from .journal import Journal
from .ledger import Ledger

_SHOWN = 5
_EVERY_S = 2.0  # as usage is
IGNORE = "ignore"  # in the evidence: what to write into the spec


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
        self._written: dict[OpenFile, str] = {}
        self._looking: asyncio.Task[None] | None = None

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
        """What the instances run, once they do. From now on it is seen what they write, until `judge`."""
        if self._print is None:
            return
        self._looking = asyncio.create_task(self._watch())
        self._parts = await self._look()
        self._journal.write(PartsIdentified(parts=self._parts or (), digest=self._print.digest(self._parts or ())))

    async def judge(self, broken_off: str = "") -> None:
        """Before anything is ended: what runs can still be looked at. `broken_off`: why the trial did not come to its end; that nothing
        has changed shows nothing then.
        """
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._print is None or self._fingerprinter is None or UNCHANGED not in self._ledger.planned:
            return
        try:
            await self._look_for_writers()
            run = await self._look() or () if self._parts else ()
            drift = await asyncio.to_thread(self._fingerprinter.drift, self._written, run)
            changes = [*drift.changes, *changed_parts(self._parts or (), run)]
        except (OSError, ValueError, TypeError, SeatrialError) as error:
            self._ledger.inconclusive(
                UNCHANGED, f"what is tested could not be looked at again: {error}", exercised=True
            )
            return
        if broken_off and not changes:
            return
        now = time.monotonic_ns()
        more = f", and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        reason = "; ".join(changes[:_SHOWN]) + more
        hint = f"; if services write that themselves, say so: {drift.hint}" if drift.hint else ""
        own = f"; {len(drift.own)} that services write" if drift.own else ""
        files = sum(g.files for g in self._print.groups.values())
        parts = f" and {len(self._parts)} programs" if self._parts else ""
        self._ledger.judge(
            Finding(
                id=UNCHANGED,
                scenario=PLANNED.scenario,
                claim=PLANNED.claim,
                verdict=Verdict.INCONCLUSIVE if changes else Verdict.PASS,
                measured=f"{len(changes)} changes in {files:,} files{parts}{own}",
                bound="0 changes",
                reason=f"what was tested changed meanwhile: {reason}{hint}" if changes else "",
                began_ns=self._began,
                ended_ns=now,
                evidence=(
                    Evidence(
                        kind="file",
                        summary=reason or f"digest {self._print.digest(self._parts or ())[:16]}",
                        at_ns=now,
                        data={"changes": changes[:100], "own": list(drift.own[:100]), IGNORE: drift.hint},
                    ),
                ),
            )
        )

    async def _watch(self) -> None:
        """What services write is open for long, as a log, or often, as a queue; it is looked for as often as what they use."""
        while isinstance(self._platform, CanSeeWriters):
            with contextlib.suppress(OSError, SeatrialError):
                await self._look_for_writers()
            await asyncio.sleep(_EVERY_S)

    async def _look_for_writers(self) -> None:
        if isinstance(self._platform, CanSeeWriters):
            self._written.update(await self._platform.writers())

    async def _look(self) -> tuple[Part, ...] | None:
        if not isinstance(self._platform, CanIdentify):
            return None
        return tuple(await self._platform.parts())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
