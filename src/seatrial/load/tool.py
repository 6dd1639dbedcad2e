"""What the generators that run another tool share: how its requests are counted, and what is said of it at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..arrivals.errors import ERRORS
from ..arrivals.samples import seal
from ..arrivals.workers import say
from .recording import Recorder

TICK_S = 0.1
STOP_S = 30.0  # for a tool to end by itself when it is told to
MOST_TAGS = 100
OTHER = "other"
NOTHING_SENT = "no request of it was seen"
_WORDS = 400  # characters
REFUSED, RESET, TIMEOUT, NAME, TLS, PROTOCOL, CLOSED, CLIENT_ERROR, SERVER_ERROR, SCRIPT = (
    ERRORS.index(name)
    for name in (
        "refused", "reset", "timeout", "name", "tls", "protocol", "closed", "status-4xx", "status-5xx", "script",
    )
)  # fmt: skip


class Tally:
    """Counts what a tool tells of its requests, as a closed load: a request is due when the tool sends it.

    `users`: how many the tool wanted at once, and had at most.
    """

    def __init__(self, config: Mapping[str, Any], start_ns: int, cpu_ns: Callable[[], int] | None = None) -> None:
        self.path = Path(config["file"])
        self.start_ns = start_ns
        self.wanted = self.reached = self.users = 0
        self._recorder = Recorder(self.path, start_ns, warm_up_ns=config["warm_up_ns"], tagged=True, cpu_ns=cpu_ns)
        self._recorder.prompt = True
        self._tags: dict[str, int] = {}
        say({"event": "started", "at_ns": start_ns, "file": str(self.path)})

    @property
    def requests(self) -> int:
        """So many were told of."""
        recorder = self._recorder
        return recorder.ok + recorder.failed + len(recorder.done_at)

    def request(self, tag: str, began_ns: int, took_ns: int, error: int = 0, size: int = 0) -> None:
        """A request has ended; `error` as in arrivals.errors.ERRORS, 0 where it was answered well."""
        number = self._tags.get(tag)
        if number is None:
            tag = tag if len(self._tags) < MOST_TAGS else OTHER
            number = self._tags.setdefault(tag, len(self._tags))
        recorder = self._recorder
        recorder.size += size
        if error:
            recorder.error(error, began_ns, number)
            return
        recorder.sent_at.append(began_ns)
        recorder.done_at.append(began_ns + took_ns)
        recorder.tags.append(number)

    def received(self, size: int) -> None:
        """Bytes that are told apart from the requests."""
        self._recorder.size += size

    def running(self, users: int, wanted: int) -> None:
        """So many users there are now, and so many the tool wants."""
        self.users = users
        self.reached, self.wanted = max(self.reached, users), max(self.wanted, wanted)

    def tick(self, **more: object) -> None:
        """Write what there is, and say where it stands."""
        recorder = self._recorder
        recorder.fold(time.monotonic_ns(), 0)
        say({
            "event": "live", "ok": recorder.ok, "failed": recorder.failed, "in_flight": 0, "connected": self.users,
            "cpu": round(recorder.cpu_share, 3), "tags": list(self._tags), "reached": self.reached, "wanted": self.wanted, **more,
        })  # fmt: skip

    def close(self, passed: bool | None, words: str, files: list[str], **more: object) -> None:
        """The tool has ended: seal, and say what it thought of its run."""
        recorder = self._recorder
        ended = time.monotonic_ns()
        recorder.close(ended)
        if passed and not recorder.ok + recorder.failed:
            passed, words = None, f"{NOTHING_SENT}: {words}"
        rows, digest = seal(self.path)
        say({
            "event": "stopped", "rows": rows, "sha256": digest, "ok": recorder.ok, "failed": recorder.failed,
            "took_s": (ended - self.start_ns) / 1e9, "tags": list(self._tags), "reached": self.reached, "wanted": self.wanted,
            "own": {"passed": passed, "words": cut(words), "files": files}, **more,
        })  # fmt: skip


def cut(words: str) -> str:
    """Words of a tool for a finding."""
    words = " ".join(words.split())
    return words if len(words) <= _WORDS else f"{words[: _WORDS - 1]}…"


def left(prefix: Path) -> list[str]:
    """The files that a tool left under a prefix, by name."""
    return sorted(p.name for p in prefix.parent.glob(f"{prefix.name}[._-]*"))
