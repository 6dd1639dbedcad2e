"""The trial that `kills.py` kills: its spec, the stages of its life, and what it has left behind."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import Nursery, command_line, listeners, processes, segments, sockets

STACK = """\
services:
  store: {kind: redis, replicas: 1, sentinels: 3}
  base: {kind: postgres}
  web:
    command: python -m http.server --bind 127.0.0.1 {{ instance.port.http }}
    replicas: 2
    ports: auto
    ready: {http: GET /, expect: status == 200}
"""
SPEC = """\
seatrial: 1
name: NAME
stack: stack.yaml
requirements: {R-1: the web answers while it is broken}
workloads:
  visitors: {http: GET /, at: web, rate: 50/s}
throughout: [visitors]
scenarios:
  broken:
    covers: [R-1]
    steps:
      - {fault: pause, at: web#1, id: stall}
      - {http: GET /, at: web#2, expect: status == 200, for: 1s, id: other}
      - {command: sleep 1, at: web#2, expect: exit == 0, id: beside}
      - {heal: stall}
      - {fault: kill, at: store/master, id: crash}
      - {http: GET /, at: web *, expect: status == 200, for: 1s, id: crashed}
      - {fault: kill, at: base, hold: 30s, id: down}
      - {http: GET /, at: web *, expect: status == 200, for: 2s, id: held}
      - {heal: down}
      - {sql: select 1, at: base, expect: len(rows) == 1, within: 20s, id: back}
"""


@dataclass
class Story:
    """What a trial's own records tell of it so far."""

    journal: list[dict[str, Any]] = field(default_factory=list)
    keeper: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, trial: Path | None) -> Story:
        """Torn lines are left out; no trial has no story."""
        return (
            cls()
            if trial is None
            else cls(journal=_lines(trial / "journal.jsonl"), keeper=_lines(trial / "keeper.jsonl"))
        )

    def has(self, type_: str, **fields: object) -> bool:
        """Whether an event of the journal was seen."""
        return any(e["type"] == type_ and all(e.get(k) == v for k, v in fields.items()) for e in self.journal)

    @property
    def amiss(self) -> str:
        """Why its verdict is not GO, if there is one: nothing had been done to it yet."""
        ended = [e for e in self.journal if e["type"] == "TrialEnded" and e["outcome"] != "GO"]
        judged = [e["finding"] for e in self.journal if e["type"] == "FindingJudged"]
        reasons = [f"{f['id']}: {f['reason']}" for f in judged if f["verdict"] != "PASS"]
        return f"{ended[0]['outcome']} before the kill: {ended[0]['reason'] or reasons}" if ended else ""

    def owned(self, event: str) -> list[dict[str, Any]]:
        """The keeper's records of an event."""
        return [record for record in self.keeper if record["event"] == event]

    def __str__(self) -> str:
        """Where it stands: phase, step, and what is broken."""
        if not self.keeper:
            return "before the keeper"
        phases = [e["phase"] for e in self.journal if e["type"] == "PhaseChanged"]
        where = phases[-1] if phases else "the keeper alone"
        ended = [e for e in self.journal if e["type"] == "TrialEnded"]
        if ended:
            where = f"the reports ({ended[-1]['outcome']})"
        begun = [e for e in self.journal if e["type"] in ("StepStarted", "StackProgress")]
        if begun and where in ("starting", "scenarios"):
            last = begun[-1]
            where += f", {last['step']}" if "step" in last else f", {last['subject']} {last['state']}"
        healed = {e["fault"] for e in self.journal if e["type"] == "FaultHealed"}
        broken = [e for e in self.journal if e["type"] == "FaultOrdered" and e["fault"] not in healed]
        faults = ", ".join(f"{e['kind']} {'+'.join(e['victims'])}" for e in broken)
        return f"{where} [{faults}]" if faults else where


# Each stage begins with the first sign of it, and ends with the next one's.
STAGES: dict[str, Callable[[Story], bool]] = {
    "before the keeper": lambda _: True,
    "the keeper alone": lambda s: bool(s.keeper),
    "starting": lambda s: s.has("PhaseChanged", phase="starting"),
    "databases starting": lambda s: bool(s.owned("port")),
    "steady": lambda s: s.has("PhaseChanged", phase="steady"),
    "clients starting": lambda s: s.has("PhaseChanged", phase="setup"),
    "one paused": lambda s: s.has("FaultOrdered", fault="broken/stall"),
    "one crashed": lambda s: s.has("FaultOrdered", fault="broken/crash"),
    "one held down": lambda s: s.has("FaultOrdered", fault="broken/down"),
    "coming back": lambda s: s.has("StepStarted", step="heal-down"),
    "ending": lambda s: s.has("PhaseChanged", phase="ending"),
    "reports": lambda s: s.has("TrialEnded"),
}


@dataclass
class Victim:
    """A running trial. `began`: seconds of the monotonic clock."""

    name: str
    root: Path
    temporary: Path
    nursery: Nursery
    began: float
    _trial: Path | None = None

    @classmethod
    def start(cls, directory: Path, root: Path, name: str) -> Victim:
        """Run a new trial; whatever it makes as a temporary file goes to a directory of its own."""
        place = directory / name
        temporary = place / "tmp"
        temporary.mkdir(parents=True)
        (place / "stack.yaml").write_text(STACK)
        (place / "seatrial.yaml").write_text(SPEC.replace("NAME", name))
        argv = [sys.executable, "-m", "seatrial", "run", str(place / "seatrial.yaml"), "--directory", str(root)]
        began = time.monotonic()
        nursery = Nursery.start(argv, place / "log", {**os.environ, "TMPDIR": str(temporary)})
        return cls(name=name, root=root, temporary=temporary, nursery=nursery, began=began)

    @property
    def trial(self) -> Path | None:
        """Its directory, once there is one."""
        if self._trial is None:
            self._trial = next((self.root / "trials").glob(f"*-{self.name}-*"), None)
        return self._trial

    @property
    def log(self) -> str:
        """What seatrial has said."""
        return (self.temporary.parent / "log").read_text(errors="replace")

    @property
    def story(self) -> Story:
        """What is recorded so far."""
        return Story.read(self.trial)

    @property
    def over(self) -> bool:
        """Whether seatrial itself has ended."""
        return self.nursery.command not in processes()

    def keepers(self) -> list[int]:
        """Every process that is a keeper of this trial, or about to become one."""
        return [p.pid for p in self.nursery.look() if " -m seatrial.keeper " in f" {command_line(p.pid)} "]

    def port(self) -> int | None:
        """A port of one of its web servers, once they have any."""
        if self.trial is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                return int(json.loads((self.trial / "stack/ground.json").read_text())["ports"]["web 1 http"])
        return None

    def leader(self, unit: str) -> int | None:
        """The pid of a unit's present leader, if it lives."""
        alive = {process.key for process in processes().values()}
        led = [r for r in self.story.owned("process") if r["unit"] == unit and r["part"] == "leader"]
        return next((r["pid"] for r in reversed(led) if (r["pid"], r["started"]) in alive), None)

    def left(self, besides: set[int] | None = None, foreign: int | None = None) -> list[str]:
        """What is still there of it. `besides`: pids that may be; `foreign`: whose sockets are not the trial's."""
        all_, story, spared = processes(), self.story, besides or set()
        alive = {p.key: p for p in self.nursery.look()} | {
            p.key: p for p in all_.values() if p.key in self.nursery.seen or p.key in _recorded(story)
        }
        found = [f"pid {p.pid} ({p.name})" for p in alive.values() if p.pid not in spared]
        others, listening = sockets(foreign) if foreign else set(), listeners()
        ports = {record["port"] for record in story.owned("port")}
        found += [f"port {port}" for port in sorted(ports) if listening.get(port, set()) - others]
        found += [f"directory {r['path']}" for r in story.owned("directory") if Path(r["path"]).exists()]
        if self.trial is not None and (self.trial / "stack").exists():
            found.append("directory stack")
        found += [f"temporary {p.relative_to(self.temporary)}" for p in self.temporary.rglob("*") if not p.is_dir()]
        found += [f"socket {r['socket']}" for r in story.keeper if Path(r.get("socket", "/nowhere")).exists()]
        found += [f"{path}" for path in sorted(self.nursery.shared) if path.exists()]
        makers = {key[0] for key in self.nursery.seen} | {key[0] for key in _recorded(story)}
        memory = (self.nursery.memory | self.nursery.made_by(makers)) & segments().keys()
        return found + [f"SysV shared memory {number}" for number in sorted(memory)]

    def locks(self) -> list[str]:
        """Lock files of ports that name one of its processes (a file's text or a link's target)."""
        keepers = {(str(r["pid"]), str(r["started"])) for r in self.story.owned("keeper")}
        found = []
        for directory in (Path(f"/tmp/seatrial-{os.getuid()}"), Path(f"/run/user/{os.getuid()}/seatrial")):
            for path in directory.glob("ports/[0-9]*"):
                text = str(path.readlink()) if path.is_symlink() else path.read_text()
                if any(pid in text and started in text for pid, started in keepers):
                    found.append(f"lock {path}")
        return found


def _recorded(story: Story) -> set[tuple[int, int]]:
    return {(r["pid"], r["started"]) for r in story.keeper if r["event"] in ("process", "keeper")}


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    with contextlib.suppress(OSError):
        for line in path.read_text().split("\n"):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
