"""`run --for`: rounds of a trial against one stack, until a time is over. What all say together is in one small file, which `status` reads.

Each round is a trial of its own, with all that a trial has. Of the rounds that were GO the last ones are kept, of the others the first and
the last ones: disk and memory do not grow with time. A soak that was stopped, or killed, goes on with `run --resume`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..attestation.fingerprinting import write_parts
from ..core import procfs
from ..core.errors import Interrupted, SeatrialError, UsageError
from ..core.events import PartsIdentified, read_journal
from ..core.fingerprints import TESTED
from ..core.processes import ProcessId
from ..core.quantities import format_duration
from ..core.repetitions import Question, Repetition
from ..core.results import Finding, decide
from ..core.soaks import Soak, soak_of
from ..core.verdicts import Outcome, Verdict
from ..engine.ledger import RESIDUE
from ..history.records import read_trial
from ..reports.repetition import told_of, write_repetition
from ..reports.words import mark, style
from .directories import trials_root
from .reporting import write_reports
from .running import Request, run_interruptible, run_trial
from .stacks import end_kept, keep_up, kept

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.plan import Plan

FILE, LINES, LOG = "soak.json", "rounds.jsonl", "soak.log"
_GOOD, _BAD = (
    3,
    20,
)  # trials that are kept: the last that were GO; of the others half from the beginning, half from the end
_FAILURES = 3  # rounds in a row that could not run at all: then nothing is to be had


@dataclass(kw_only=True)
class Books:
    """A soak's directory."""

    directory: Path
    soak: Soak
    _good: list[Path] = field(default_factory=list)
    _bad: list[Path] = field(default_factory=list)

    def save(self) -> None:
        """At once, and whole: whoever reads it finds the old one or the new one."""
        fresh = self.directory / f".{FILE}-{secrets.token_hex(4)}"
        fresh.write_text(json.dumps(self.soak.as_fields(), indent=1), encoding="utf-8")
        fresh.replace(self.directory / FILE)

    def round(self, took_ns: int, outcome: Outcome, trial: Path, findings: Mapping[str, Finding]) -> None:
        """A line for a round that ended; trials beyond those that are kept go."""
        self.soak.add(took_ns, outcome, findings.values())
        worse = [n for n, f in findings.items() if f.verdict is not Verdict.PASS]
        line = {
            "round": self.soak.rounds,
            "trial": trial.name,
            "took_ns": took_ns,
            "outcome": outcome.value,
            "not_passed": worse,
        }
        with (self.directory / LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        (self._good if outcome is Outcome.GO else self._bad).append(trial)
        if len(self._good) > _GOOD:
            shutil.rmtree(self._good.pop(0), ignore_errors=True)
        if len(self._bad) > _BAD:
            shutil.rmtree(self._bad.pop(_BAD // 2), ignore_errors=True)
        self.save()

    @property
    def first(self) -> Path | None:
        """Where it stands what the first round tested; None before that was over."""
        return self.directory if (self.directory / TESTED).exists() else None

    def remember(self, trial: Path) -> None:
        """What the first round tested, and every one after it has to: between rounds, too, and over a break."""
        if self.first is not None:
            return
        ran = next((e.event for e in read_journal(trial) if isinstance(e.event, PartsIdentified)), None)
        if ran is None:
            return  # its stack did not come up: the next one is the first
        write_parts(self.directory, ran.parts)
        fresh = self.directory / f".{TESTED}-{secrets.token_hex(4)}"
        shutil.copyfile(trial / TESTED, fresh)
        fresh.replace(self.directory / TESTED)

    def recall(self) -> None:
        """Which trials of rounds there are, after a break."""
        trials = trials_root(self.directory)
        for line in (self.directory / LINES).read_text(encoding="utf-8").splitlines() if self.soak.rounds else ():
            said = json.loads(line)
            if (trials / said["trial"]).is_dir():
                (self._good if said["outcome"] == Outcome.GO.value else self._bad).append(trials / said["trial"])


def soaks_root(root: Path | None) -> Path:
    """Where soaks are kept, beside trials."""
    return trials_root(root).parent / "soaks"


def begin(
    plan: Plan,
    for_ns: int,
    options: Mapping[str, Any],
    root: Path | None,
    repeat: Mapping[str, Any] | None = None,
) -> Books:
    """A new soak, or a repetition: `repeat` has its own fields. Raises UsageError for no time, or no number of rounds."""
    if repeat is None and for_ns <= 0:
        raise UsageError.simple("--for is more than 0s", "for example --for 4h")
    if repeat is not None:
        try:
            Question.of(repeat["times"], repeat["at_least"])
        except ValueError as error:
            raise UsageError.simple(
                f"--repeat, --at-least: {error}", "--repeat 50, --repeat 300 --at-least 99%"
            ) from None
    now = datetime.now().astimezone()
    slug = re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:40] or "soak"
    name = f"{now.strftime('%Y-%m-%dT%H-%M-%S')}-{slug}-{secrets.token_hex(2)}"
    directory = soaks_root(root) / name
    directory.mkdir(parents=True, mode=0o700)
    given: dict[str, Any] = {
        "name": name,
        "spec": str(plan.file.absolute()),
        "for_ns": for_ns,
        "began": now.isoformat(timespec="seconds"),
        "options": dict(options),
    }
    soak = Soak(**given) if repeat is None else Repetition(**given, **repeat)
    books = Books(directory=directory, soak=soak)
    books.save()
    return books


def find(name: str | None, root: Path | None) -> Books:
    """A soak by (the beginning of) its name, or the last one. Raises UsageError with those there are."""
    names = sorted(p.parent.name for p in soaks_root(root).glob(f"*/{FILE}"))
    found = [n for n in names if name in (None, "latest") or n.startswith(str(name))]
    if not found or (len(found) > 1 and name not in (None, "latest")):
        problem = f"several soaks begin with {name}" if found else f"no soak {name or ''}".strip()
        raise UsageError.simple(problem, f"soaks: {', '.join(names) or 'none'}")
    directory = soaks_root(root) / found[-1]
    return Books(directory=directory, soak=_read(directory / FILE))


def _read(file: Path) -> Soak:
    """Raises OSError, ValueError, KeyError, TypeError."""
    fields = json.loads(file.read_text(encoding="utf-8"))
    return soak_of(fields, Repetition if "times" in fields else Soak)


def is_alive(soak: Soak) -> bool:
    """Whether its process goes on."""
    return soak.pid > 0 and procfs.is_alive(ProcessId(boot=procfs.boot_id(), pid=soak.pid, started=soak.started))


def carry_on(books: Books, plan: Plan, request: Request, console: Console) -> int:
    """Rounds until its time is over, or until it is stopped; its exit status. Raises UsageError where it goes on already."""
    soak = books.soak
    if is_alive(soak):
        raise UsageError.simple(f"{soak.name} goes on in pid {soak.pid}", "seatrial status shows where it is")
    if soak.over:
        raise UsageError.simple(f"{soak.name} has ended", soak.summary())
    me = procfs.identify(os.getpid())
    soak.state, soak.pid, soak.started = "running", os.getpid(), me.started if me is not None else 0
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it outlives its terminal
    books.recall()
    books.save()
    say = _Teller(console, books.directory / LOG)
    say(f"{soak.name}: {soak.left()} to go; seatrial status shows where it is", "")
    try:
        with contextlib.suppress(Interrupted):
            run_interruptible(_rounds(books, plan, request, say))
    finally:
        soak.state = "ended" if soak.over else "stopped"
        soak.pid = soak.started = 0
        _end_stack(books)
        books.save()
    for line, word in told(soak):
        say(line, word)
    if isinstance(soak, Repetition):
        write_repetition(soak, books.directory)
        say(f"report: {books.directory / 'report.html'}", "dim")
    if not soak.over:
        say(f"to go on: seatrial run --resume {soak.name}", "")
    return soak.outcome.exit_status


async def _rounds(books: Books, plan: Plan, request: Request, say: _Teller) -> None:
    soak, failures = books.soak, 0
    attach = await _stack(books, plan)
    while not soak.over:
        began = time.monotonic_ns()
        own = replace(request, attach=attach, root=books.directory, since=books.first)
        try:
            run = await run_trial(plan, own)
        except SeatrialError as error:
            failures += 1
            say(f"a round could not run: {error}", "INCONCLUSIVE")
            if failures >= _FAILURES:
                raise
            continue
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            shutil.rmtree(run.directory, ignore_errors=True)  # half a round says nothing
            return
        failures = 0
        await asyncio.to_thread(books.remember, run.directory)
        findings = {n: f for n, f in run.ledger.findings.items() if n != RESIDUE or attach is None}
        outcome = decide(findings.values())
        if outcome is not Outcome.GO:
            await asyncio.to_thread(write_reports, run.directory)
        took = time.monotonic_ns() - began
        if isinstance(soak, Repetition):
            row = read_trial(run.directory)
            soak.time((name, ns) for name, _, ns in (row.scenarios if row is not None else ()))
        books.round(took, outcome, run.directory, findings)
        words = f"round {soak.rounds:,}  {outcome}  {format_duration(took)}; {soak.left()} to go"
        worse = [n for n, f in findings.items() if f.verdict is not Verdict.PASS]
        say(words + (f"  not passed: {', '.join(worse[:5])}" if worse else ""), outcome.value)


async def _stack(books: Books, plan: Plan) -> Path | None:
    """The stack that all rounds share: that of before, where it is there yet; None for one that runs elsewhere, or one for each round."""
    alone = isinstance(books.soak, Repetition) and not books.soak.shared
    if alone or plan.stack.platform == "remote":
        return None
    for there in kept(books.directory):
        if there.directory.name == books.soak.stack:
            return there.directory
    directory = await keep_up(plan, books.directory)
    books.soak.stack = directory.name
    books.save()
    return directory


def _end_stack(books: Books) -> None:
    """What no round can say, because the stack goes on after it: that nothing remains."""
    for there in kept(books.directory):
        if there.directory.name == books.soak.stack:
            lines = end_kept(there.directory).lines
            verdict = Verdict.FAIL if lines else Verdict.PASS
            found = Finding(
                id=RESIDUE, scenario="trial", claim="nothing remains", verdict=verdict, reason="; ".join(lines)
            )
            books.soak.end(found)


def told(soak: Soak) -> list[tuple[str, str]]:
    """The whole soak in lines, each with the word of its colour."""
    if isinstance(soak, Repetition):
        return told_of(soak)
    lines = [(f"{mark(soak.outcome.value)} {soak.summary()}", soak.outcome.value)]
    for name, tally in sorted(soak.findings.items(), key=lambda item: -item[1].failed):
        if tally.failed or tally.inconclusive:
            counts = f"{tally.failed:,} failed, {tally.inconclusive:,} inconclusive of {soak.rounds:,}"
            lines.append((f"  {mark(tally.worst.value)} {name}: {counts} {tally.range()}".rstrip(), tally.worst.value))
            lines += [(f"      {reason}", "") for reason in tally.reasons[:2]]
    measured = [(n, t.range()) for n, t in soak.findings.items() if t.range() and t.worst.value == "PASS"]
    lines += [(f"  {mark('PASS')} {name}: {shown}", "") for name, shown in sorted(measured)]
    return lines


def detach(books: Books, root: Path | None) -> None:
    """Go on in a process of its own, in a session of its own, with its words in its log."""
    where = ["--directory", str(root)] if root is not None else []
    with (books.directory / LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "seatrial", "run", "--resume", books.soak.name, *where],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def stop(name: str | None, root: Path | None, console: Console) -> int:
    """Have a soak stop and heal; what it found so far is kept. Raises UsageError where none goes on."""
    books = find(name, root)
    if not is_alive(books.soak):
        raise UsageError.simple(f"{books.soak.name} does not run: it has {books.soak.state}")
    os.kill(books.soak.pid, signal.SIGTERM)
    console.print(f"{books.soak.name} stops and heals; seatrial status shows when it has", highlight=False)
    return 0


def shown(root: Path | None) -> list[Soak]:
    """All soaks that are there, for `status`; the state of one that was killed is that."""
    found = []
    for file in sorted(soaks_root(root).glob(f"*/{FILE}")):
        try:
            soak = _read(file)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if soak.state == "running" and not is_alive(soak):
            soak.state = "killed" if soak.pid else "beginning"
        found.append(soak)
    return found


class _Teller:
    """To the terminal, while there is one, and to the log."""

    def __init__(self, console: Console, log: Path) -> None:
        self._console = console
        self._log = (
            log if sys.stdout.isatty() else None
        )  # else what is printed goes there already, or where it was sent

    def __call__(self, line: str, word: str) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        try:
            self._console.print(line, style=style(word), highlight=False, markup=False, soft_wrap=True)
        except OSError:
            self._log = self._log or Path(os.devnull)
