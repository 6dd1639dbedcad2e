"""SIGKILL seatrial at random moments of a trial: does anything stay behind, and is anything foreign touched?

    python benchmarks/kills.py --times 20                 the keeper alone has to clean up
    python benchmarks/kills.py --times 20 --keeper        the keeper is killed too, then `seatrial undo --all`
    python benchmarks/kills.py --times 3 --hang           seatrial is stopped, not killed: its keeper misses the heartbeats

A trial that nobody disturbs comes first: it must leave nothing, and shows how long each stage of a life lasts. Then each kill draws a
stage (all of them in turn, in random order) and a moment within it. Beside it run decoys: a redis, a postgres and a second trial that
are foreign to it, and, as soon as a port of the dead trial can be bound, a foreign listener on it. With --keeper a web server is made
to crash between the kills and the undo, so that its port is in foreign hands when `undo` reads of it.

What a trial left is found without its records as well: it runs beneath a subreaper of its own. Prints a line a kill and the sum; exit
status 1 when anything was left or a decoy was hurt.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decoys import Decoy, Foreign, foreign_postgres, foreign_redis, second_trial
from machine import wait
from victims import STAGES, Victim

CLEAN_WITHIN_S = 20.0
SILENCE_S = 30.0  # what the keeper grants a silent seatrial
BIND_WITHIN_S = 10.0
LIFE_WITHIN_S = 90.0
HANGABLE = ("starting", "databases starting", "clients starting", "one paused", "one crashed", "one held down")


@dataclass(kw_only=True)
class Outcome:
    """What came of one kill. `took_s`: until nothing was left, or, with undo, how long that ran."""

    where: str
    after_s: float
    took_s: float = 0.0
    left: list[str] = field(default_factory=list)
    hurt: list[str] = field(default_factory=list)
    port: int | None = None

    @property
    def clean(self) -> bool:
        """Nothing left, nobody hurt."""
        return not self.left and not self.hurt

    def __str__(self) -> str:
        left = f"LEFT {'; '.join(self.left)}" if self.left else "nothing left"
        hurt = f"HURT {'; '.join(self.hurt)}" if self.hurt else "decoys untouched"
        port = f"port {self.port} reused" if self.port else "no port yet"
        return f"at {self.after_s:5.2f} s, {self.where}: {left} after {self.took_s:.2f} s; {hurt}; {port}"


@dataclass(kw_only=True)
class Bench:
    """The workplace. `lasts`: how long each stage of an undisturbed life lasted, in s."""

    directory: Path
    root: Path
    decoys: Sequence[Decoy]
    mode: str
    chance: random.Random
    lasts: dict[str, float] = field(default_factory=dict)

    def undisturbed(self) -> list[str]:
        """Run a trial to its end and time its stages; what it left, or why it is no measure."""
        victim = Victim.start(self.directory, self.root, "undisturbed")
        signs: dict[str, float] = {}
        with self._cleared(victim):
            while not victim.nursery.empty and time.monotonic() - victim.began < LIFE_WITHIN_S:
                story = victim.story
                for stage, sign in STAGES.items():
                    if stage not in signs and sign(story):
                        signs[stage] = time.monotonic() - victim.began
                victim.nursery.look_closely()
                time.sleep(0.005)
            ends = [*list(signs.values())[1:], time.monotonic() - victim.began]
            self.lasts = {stage: end - begin for (stage, begin), end in zip(signs.items(), ends, strict=True)}
            missing = [stage for stage in STAGES if stage not in signs]
            if missing or not victim.story.has("TrialEnded", outcome="GO"):
                raise RuntimeError(f"an undisturbed trial never came to {missing}: {victim.log}")
            return [*victim.left(), *victim.locks(), *self._hurt()]

    def one(self, number: int, stage: str) -> Outcome:
        """One kill in (about) a stage."""
        victim = Victim.start(self.directory, self.root, f"victim-{number}")
        with self._cleared(victim):
            self._await(victim, stage)
            outcome = self._killed(victim)
            outcome.hurt += self._hurt()
        return outcome

    def _await(self, victim: Victim, stage: str) -> None:
        """The stage's first sign, and then a random part of what it lasts."""

        def begun() -> bool:
            victim.nursery.look_closely()
            return STAGES[stage](victim.story) or victim.over

        if not wait(begun, LIFE_WITHIN_S) or not STAGES[stage](victim.story):
            raise RuntimeError(f"{victim.name} did not come to {stage!r}: {victim.story}\n{victim.log}")
        until = time.monotonic() + self.chance.random() * self.lasts[stage]
        while (rest := until - time.monotonic()) > 0:
            victim.nursery.look_closely()
            time.sleep(min(rest, 0.02))

    def _killed(self, victim: Victim) -> Outcome:
        victim.nursery.look_closely()
        began = time.monotonic()
        if self.mode == "hang":
            _signal(victim.nursery.command, signal.SIGSTOP)
        elif self.mode == "keeper":
            both = [[victim.nursery.command], victim.keepers()]
            self.chance.shuffle(both)
            for pid in (pid for pids in both for pid in pids):
                _signal(pid, signal.SIGKILL)
            for pid in victim.keepers():  # one that was being born
                _signal(pid, signal.SIGKILL)
        else:
            _signal(victim.nursery.command, signal.SIGKILL)
        story = victim.story
        outcome = Outcome(where=str(story), after_s=began - victim.began, port=victim.port())
        outcome.hurt += filter(None, [story.amiss])
        foreign = Foreign(port=outcome.port) if outcome.port else None
        try:
            if self.mode == "keeper":
                self._undo(victim, foreign, outcome)
            else:
                self._heal(victim, foreign, outcome, began)
            if foreign is not None:
                wait(foreign.has_bound, BIND_WITHIN_S)
                outcome.hurt += filter(None, [foreign.hurt()])
        finally:
            if foreign is not None:
                foreign.close()
        return outcome

    def _heal(self, victim: Victim, foreign: Foreign | None, outcome: Outcome, began: float) -> None:
        """Wait for what the keeper does by itself."""
        hangs = self.mode == "hang"
        spared = {victim.nursery.command} if hangs else set()
        pid = foreign.process.pid if foreign else None
        wait(lambda: not victim.left(spared, pid), CLEAN_WITHIN_S + SILENCE_S * hangs, 0.02)
        outcome.took_s = time.monotonic() - began
        outcome.left = victim.left(spared, pid) + victim.locks()
        if hangs:
            _signal(victim.nursery.command, signal.SIGKILL)
            wait(lambda: victim.nursery.empty, CLEAN_WITHIN_S)
            outcome.left += victim.left(foreign=pid)
        keeper = victim.story.owned("keeper")
        ends = victim.story.owned("end")
        if keeper and (not ends or ends[-1]["processes"] or ends[-1]["ports"] or ends[-1]["directories"]):
            outcome.left.append(f"the keeper's last word: {ends[-1] if ends else 'none'}")

    def _undo(self, victim: Victim, foreign: Foreign | None, outcome: Outcome) -> None:
        """A web server crashes and its port is taken; then `seatrial undo`."""
        if foreign is not None:
            leader = victim.leader("web#1")
            if leader is not None:
                _signal(leader, signal.SIGKILL)
            wait(foreign.has_bound, BIND_WITHIN_S)
        began = time.monotonic()
        said = undo(self.root)
        outcome.took_s = time.monotonic() - began
        outcome.left = victim.left(foreign=foreign.process.pid if foreign else None) + victim.locks()
        if said.returncode:
            outcome.left.append(f"undo says {said.returncode}: {(said.stdout + said.stderr).strip()}")

    def _hurt(self) -> list[str]:
        return [said for said in (decoy.hurt() for decoy in self.decoys) if said]

    @contextlib.contextmanager
    def _cleared(self, victim: Victim) -> Iterator[None]:
        try:
            yield
        finally:
            victim.nursery.clear()


def undo(root: Path) -> subprocess.CompletedProcess[str]:
    """`seatrial undo --all`, which goes by the second trial as well."""
    argv = [sys.executable, "-m", "seatrial", "undo", "--all", "--directory", str(root)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stages(times: int, mode: str, chance: random.Random) -> list[str]:
    """So many stages, all in turn in an order of their own each time."""
    among, drawn = list(HANGABLE if mode == "hang" else STAGES), list[str]()
    while len(drawn) < times:
        chance.shuffle(among)
        drawn += among
    return drawn[:times]


def measure(bench: Bench, times: int) -> int:
    """All kills; returns the exit status."""
    left = bench.undisturbed()
    lives = ", ".join(f"{stage} {lasts:.1f} s" for stage, lasts in bench.lasts.items())
    print(f"undisturbed: {'; '.join(left) or 'nothing left, decoys untouched'} ({lives})", flush=True)
    outcomes = []
    for number, stage in enumerate(stages(times, bench.mode, bench.chance), 1):
        outcomes.append(bench.one(number, stage))
        print(f"kill {number:>2} {outcomes[-1]}", flush=True)
    again = undo(bench.root)
    if again.returncode:
        print(f"undo once more says {again.returncode}: {again.stdout}{again.stderr}")
    took = [outcome.took_s for outcome in outcomes]
    spread = f"min {min(took):.2f} s, median {statistics.median(took):.2f} s, max {max(took):.2f} s"
    clean = sum(outcome.clean for outcome in outcomes)
    print(f"{WHAT[bench.mode]}: {clean} of {times} left nothing and hurt nobody (bound: all); {spread}")
    return 0 if clean == times and not left and not again.returncode else 1


WHAT: Mapping[str, str] = {
    "kill": "seatrial killed, the keeper alone",
    "keeper": "seatrial and its keeper killed, then undo",
    "hang": "seatrial stopped, its keeper hears nothing for 30 s",
}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument(
        "--keeper", action="store_const", dest="mode", const="keeper", default="kill", help="kill the keeper too"
    )
    parser.add_argument(
        "--hang", action="store_const", dest="mode", const="hang", help="stop seatrial instead of killing it"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-kills-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o711)  # the foreign postgres may have to run as another user
        root = directory / "records"
        decoys = [
            stack.enter_context(made)
            for made in (foreign_redis(directory), foreign_postgres(directory), second_trial(directory, root))
        ]
        bench = Bench(
            directory=directory, root=root, decoys=decoys, mode=arguments.mode, chance=random.Random(arguments.seed)
        )
        return measure(bench, arguments.times)


if __name__ == "__main__":
    sys.exit(main())
