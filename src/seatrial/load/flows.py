"""Users of several kinds, who do tasks by weight: each task is steps one after another, each step a request or a pause.

A user has a number, cookies, rows of data and what it saved when it began; a task saves for itself. What fails ends the task, and the
user goes on with another one. Interpreted as generators, so that users run as scripts do.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from ..clients.http1 import Answer, Flow, Visit, Way
from ..core.datafiles import Row, read_rows
from ..core.expressions import Missing, compile_expression, compile_path
from .cookies import Jar
from .filling import Pattern, picker
from .quick import surely
from .scripts import ENDED, Pause, Ready, Unexpected

_ALL = frozenset(range(1000))


class People:
    """scripts.Crew. Closed: so many users, whose kinds keep the weights exactly; open: an arrival's kind is drawn, and whoever of that kind
    is free comes, or a new one.

    Several workers share the numbers, and the rows, in turn. Raises ValueError and OSError for data that cannot be read.
    """

    def __init__(self, config: Mapping[str, Any], way: Way, tags: Mapping[str, int]) -> None:
        flows, (share, shares) = config["flows"], config["share"]
        self.pause = True
        self._closed = bool(config["users"])
        self._left = config["users"]
        self._draw = random.Random(config["seed"] * 1000 + share)  # noqa: S311 - a mix, no secret
        common = Common(flows, config, way, tags)
        self._kinds = [Kind(k, common, self._draw) for k in flows["kinds"]]
        self._weights = [k["weight"] for k in flows["kinds"]]
        self._turns = islice(in_turn(self._weights), share, None, shares)
        self._numbers = count(share + 1, shares)
        self._common = common
        self._free: list[deque[Member]] = [deque() for _ in self._kinds]

    def next(self) -> Visit:
        """Crew: of a closed model whoever has been free longest, once all have come."""
        if self._closed:
            free = self._free[0]
            if self._left > 0 or not free:
                self._left -= 1
                return self._new(next(self._turns))
            return free.popleft()
        kind = self._draw.choices(range(len(self._kinds)), self._weights)[0] if len(self._kinds) > 1 else 0
        return self._free[kind].popleft() if self._free[kind] else self._new(kind)

    def _new(self, kind: int) -> Member:
        member = Member(kind, User(next(self._numbers), self._kinds[kind], self._common))
        member.send = member.user.life(member, self.pause).send
        return member

    def back(self, visit: Visit, *, failed: bool) -> None:
        """Crew: who failed goes on with another task."""
        if isinstance(visit, Member):
            if failed:
                visit.send = visit.user.life(visit, self.pause).send
            self._free[0 if self._closed else visit.kind].append(visit)


class Member(Visit):
    """A user as the generator sees it."""

    __slots__ = ("kind", "user")

    def __init__(self, kind: int, user: User) -> None:
        super().__init__()
        self.kind = kind
        self.user = user


def in_turn(weights: Sequence[float]) -> Iterator[int]:
    """Indexes for ever, as often as their weights say and spread as evenly as can be (smooth weighted round robin)."""
    total, standing = sum(weights), [0.0] * len(weights)
    while True:
        standing = [s + w for s, w in zip(standing, weights, strict=True)]
        best = max(range(len(weights)), key=standing.__getitem__)
        standing[best] -= total
        yield best


class Common:
    """What all users of a generator share."""

    def __init__(self, flows: Mapping[str, Any], config: Mapping[str, Any], way: Way, tags: Mapping[str, int]) -> None:
        self.values: Mapping[str, object] = flows["values"]
        self.cookies: bool = flows["cookies"]
        self.accept = frozenset((*range(200, 400), *config["accept"]))
        self.more: Mapping[str, str] = config["headers"]
        self.way = way
        self.tags = tags
        data = {name: _rows(Path(given["file"]), *config["share"]) for name, given in flows["data"].items()}
        self.of_user = {n: r for n, r in data.items() if flows["data"][n]["each_user"]}
        self.of_task = {n: r for n, r in data.items() if n not in self.of_user}


def _rows(path: Path, share: int, shares: int) -> Iterator[Row]:
    return islice(cycle(read_rows(path)), share, None, shares)


class Kind:
    """What users of a kind do; `kept`: what they save when they begin."""

    def __init__(self, given: Mapping[str, Any], common: Common, draw: random.Random) -> None:
        self.begin = [step_of(s, common) for s in given["begin"]]
        self.kept = {name for s in given["begin"] for name in s.get("save", ())}
        tasks = [[step_of(s, common) for s in t["steps"]] for t in given["tasks"]]
        self.task = _drawn(tasks, [t["weight"] for t in given["tasks"]], draw)


def _drawn(tasks: Sequence[list[Step]], weights: Sequence[float], draw: random.Random) -> Callable[[], list[Step]]:
    """Draws tasks by their weights, many at once."""
    if len(tasks) == 1:
        only = tasks[0]
        return lambda: only
    ready: list[list[Step]] = []

    def take() -> list[Step]:
        if not ready:
            ready.extend(draw.choices(tasks, weights, k=1024))
        return ready.pop()

    return take


class User:
    """One user. `values`: of the task that it does."""

    def __init__(self, number: int, kind: Kind, common: Common) -> None:
        self._kind = kind
        self._common = common
        self._own: dict[str, object] = {
            **common.values, "user": number, **{n: next(rows) for n, rows in common.of_user.items()},
        }  # fmt: skip
        self._begun = not kind.begin
        self.values: dict[str, object] = {}
        self.jar = Jar()

    def life(self, visit: Visit, pause: bool) -> Flow:
        """One task after the other. `pause`: with ENDED after each."""
        while True:
            visit.asked = None
            self.values = self._own.copy()
            for name, rows in self._common.of_task.items():
                self.values[name] = next(rows)
            if not self._begun and (yield from self._through(self._kind.begin, visit)):
                self._begun = True
                self._own |= {n: self.values[n] for n in self._kind.kept}
            if self._begun:
                yield from self._through(self._kind.task(), visit)
            if pause:
                yield ENDED

    def _through(self, steps: Sequence[Step], visit: Visit) -> Generator[Any, Answer, bool]:
        """Whether all went well. Raises Unexpected."""
        for step in steps:
            if isinstance(step, Pause):
                yield step
                continue
            request = step.ready
            if request is None or self.jar:
                visit.asked = None  # what fails from here on is not what was asked before
                request = step.filled(self)
            answer = yield request
            if not step.judged(self, answer):
                return False
        return True


class Ask:
    """A step that asks. `ready`: its request, where that is always the same."""

    def __init__(self, given: Mapping[str, Any], common: Common) -> None:
        self._where: str = given["where"]
        self._cookies = common.cookies
        self._tag = common.tags[given["tag"]]
        self._expect = compile_expression(given["expect"]) if given["expect"] else None
        self._surely = surely(self._expect) if self._expect is not None else None
        self._save = [(name, picker(compile_path(source)), source) for name, source in given["save"].items()]
        names = {
            n for e in (self._expect, *map(compile_path, given["save"].values())) if e is not None for n in e.names
        }
        self._looks = [(n, look) for n, look in _LOOKS.items() if n in names]
        by_status = self._expect is not None and "status" in self._expect.names
        self._accept: Collection[int] = _ALL if by_status else common.accept
        self._method: str = given["method"]
        self._path = Pattern(given["path"])
        self._body = Pattern(given["body"]) if given["body"] is not None else None
        self._head, own_cookie = _head(given, common)
        self._jar = common.cookies and not own_cookie
        self.ready: Ready | None = None
        if not (self._path.names or self._head.names or (self._body is not None and self._body.names)):
            self.ready = self._made({}, None)

    def filled(self, user: User) -> Ready:
        """The request with a user's values and cookies. Raises Unexpected for a value that is missing."""
        if self.ready is not None and not self._jar:
            return self.ready
        return self._made(user.values, user.jar if self._jar else None)

    def _made(self, values: Mapping[str, object], jar: Jar | None) -> Ready:
        path = self._path.fill(values)
        cookie = jar.line(path) if jar else ""
        head = f"{self._method} {path}{self._head.fill(values)}{cookie}"
        if self._body is None:
            return Ready(f"{head}\r\n".encode(), self._tag, self._accept)
        body = self._body.fill(values).encode()
        return Ready(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, self._tag, self._accept)

    def judged(self, user: User, answer: Answer) -> bool:
        """Whether the user goes on: not where the status is an error. Raises Unexpected for what is not as expected, or cannot be saved."""
        if self._cookies and (lines := answer.cookies):
            user.jar.keep(lines, self._path.fill(user.values))
        if answer.status not in self._accept:
            return False
        if self._expect is None and not self._save:
            return True
        seen = user.values
        seen["status"] = answer.status
        for name, look in self._looks:
            seen[name] = look(answer)
        if self._surely is not None and not self._surely(seen):
            self._doubt(seen)
        for name, pick, source in self._save:
            value = pick(seen)
            if isinstance(value, Missing):
                raise Unexpected(f"{self._where}: nothing to save as {name} at {source}: {value.reason}")
            user.values[name] = value
        return True

    def _doubt(self, seen: Mapping[str, object]) -> None:
        """Raises Unexpected with the reason, unless it is true after all."""
        if self._expect is not None:
            judgement = self._expect.evaluate(seen)
            if judgement.truth is not True:
                raise Unexpected(f"{self._where}: expected {self._expect.source}: {judgement.reason}")


Step = Ask | Pause


def step_of(given: Mapping[str, Any], common: Common) -> Step:
    """A step as the configuration has it."""
    return Ask(given, common) if "where" in given else Pause(given["think_ns"])


def _head(given: Mapping[str, Any], common: Common) -> tuple[Pattern, bool]:
    """The lines from the end of the first one on, but for Cookie and Content-Length; and whether there is a Cookie among them."""
    own = {name.lower() for name, _ in given["headers"]}
    defaults = {"Host": common.way.authority, "User-Agent": "seatrial", "Accept": "*/*", **common.more}
    pieces: list[str | Sequence[str]] = [" HTTP/1.1\r\n"]
    pieces += [f"{name}: {value}\r\n" for name, value in defaults.items() if name.lower() not in own]
    for name, value in given["headers"]:
        pieces += [f"{name}: ", *value, "\r\n"]
    if given["body"] is None and given["method"] in ("POST", "PUT", "PATCH"):
        pieces.append("Content-Length: 0\r\n")
    return Pattern(pieces), "cookie" in own


def _json(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return Missing(f"the answer is not JSON: {answer.body[:60].decode(errors='replace')!r}")


_LOOKS: Mapping[str, Callable[[Answer], object]] = {
    "json": _json,
    "text": lambda answer: answer.body.decode(errors="replace"),
    "headers": lambda answer: answer.headers,
}
