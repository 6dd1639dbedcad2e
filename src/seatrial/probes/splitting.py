"""What a split is to show, whom it takes to show it, and what came of them: no request is made here.

The unit is the user. Routing is sticky, so that a second request of the same user says nothing new about the share: a user counts once,
by the first answer, whatever `repeat` is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, Quantity, format_quantity, parse_quantity
from ..core.shares import MOST_TRIALS, power, trials_needed, two_sided

ALPHA: Final = 0.01  # the chance that a right share is ruled out, of all shares of a step together
EXACTLY: Final = 0.01  # the difference that is looked for where all or none is wanted, and nothing else is said
_EXAMPLES: Final = 5
_RANDOM_BITS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """Who is asked, and what that can show. `shares`: those that are wanted, by backend; `difference`: None where there are none, or
    where the users are listed: then they are all there are, their share is a count, and nothing is estimated.
    """

    users: Sequence[str]
    repeat: int = 1
    shares: Mapping[str, float] = field(default_factory=dict)
    difference: float | None = None
    listed: bool = False
    missing: float = 0.0  # share of the users that may be without a backend

    @property
    def confidence(self) -> float:
        """Of each interval, so that all of them together have the chance ALPHA of ruling out what is right."""
        return 1 - ALPHA / _claims(self.shares)

    @property
    def doubt(self) -> str:
        """That there are too few; empty where there are enough."""
        if self.difference is None or len(self.users) >= (most := needed(self.shares, self.difference)):
            return ""
        return f"{len(self.users):,} users, and it takes {most:,}"

    @property
    def text(self) -> str:
        """For the evidence: how many, and what they can tell."""
        count = len(self.users)
        if self.listed:
            return f"{count:,} listed users: their share is counted, not estimated"
        if self.difference is None:
            return f"{count:,} users"
        told = []
        for name, share in self.shares.items():
            reached = power(count, share, self.difference, self.confidence)
            off = [p for p in (share - self.difference, share + self.difference) if 0 <= p <= 1]
            others = " or ".join(format_quantity(p, Dimension.RATIO) for p in off)
            wanted = format_quantity(share, Dimension.RATIO)
            told.append(
                f"{name} {wanted}: {others} is found in {reached.found:.1%}, {wanted} held in {reached.passed:.1%}"
            )
        return f"{count:,} users, intervals at {self.confidence:.2%} ({'; '.join(told)})"


class Mismatch(ValueError):  # noqa: N818 - a user's mistake
    """What does not go together; `key` and `hint` as in core.vocabulary.Wrong."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        self.key, self.hint = key, hint
        super().__init__(message)


def design(arguments: Mapping[str, object]) -> Design:
    """From a step's arguments. Raises Mismatch."""
    given = arguments.get("users")
    shares = {n: ratio(s) for n, s in _mapping(arguments.get("share")).items()}
    _possible(shares)
    repeat, missing = arguments.get("repeat", 1), ratio(arguments.get("missing", "0%"))
    common = {"repeat": repeat if isinstance(repeat, int) else 1, "shares": shares, "missing": missing}
    if isinstance(given, list | tuple):
        users = [str(u) for u in given]
        twice = [u for u, n in Counter(users).items() if n > 1]
        if twice or not users:
            raise Mismatch("users", f"user {twice[0]} is listed twice" if twice else "no users are listed")
        return Design(users=users, listed=True, **common)  # type: ignore[arg-type]
    difference = _difference(shares, arguments.get("difference"))
    if not isinstance(given, int):
        if difference is None:
            raise Mismatch(
                "", "how many users?", "users: 10000, or share and difference, from which the number follows"
            )
        given = needed(shares, difference)
    if given > MOST_TRIALS:
        raise Mismatch("users", f"more than {MOST_TRIALS:,} users")
    seed = arguments.get("seed")
    users = list(islice(made(str(arguments.get("prefix", "user-")), seed if isinstance(seed, int) else None), given))
    return Design(users=users, difference=difference, **common)  # type: ignore[arg-type]


def needed(shares: Mapping[str, float], difference: float) -> int:
    """So many users that each of these shares is told from one that is off by the difference. Raises Mismatch for too small a one."""
    try:
        return max(trials_needed(share, difference, 1 - ALPHA / _claims(shares)) for share in shares.values())
    except ValueError as error:
        raise Mismatch("difference", str(error)) from None


def _claims(shares: Mapping[str, float]) -> int:
    """Shares that can be wrong by chance, each a test of its own: not all and none, and not the rest of the only other one."""
    between = [s for s in shares.values() if 0 < s < 1]
    whole = len(between) == 2 and abs(sum(between) - 1) < 1e-9
    return max(1, len(between) - whole)


def _possible(shares: Mapping[str, float]) -> None:
    if sum(shares.values()) > 1 + 1e-9:
        raise Mismatch("share", f"the shares are {format_quantity(sum(shares.values()), Dimension.RATIO)} together")
    if shares and not any(shares.values()):
        message = "a share of 0% alone shows nothing: a name that nobody has gets it, too"
        raise Mismatch("share", message, "say who has the rest")


def _difference(shares: Mapping[str, float], given: object) -> float | None:
    if not shares:
        if given is not None:
            raise Mismatch("difference", "a difference from nothing", "share: {new: 10%} says what is wanted")
        return None
    between = [s for s in shares.values() if 0 < s < 1]
    if given is None and between:
        message = "a share between 0% and 100% needs difference"
        raise Mismatch("share", message, "difference: 5% finds one that is 5 points off")
    difference = EXACTLY if given is None else ratio(given)
    most = min((s for b in between for s in (b, 1 - b)), default=0.99)
    if not 0 < difference <= most + 1e-12:
        message = f"a difference is more than 0% and here at most {format_quantity(most, Dimension.RATIO)}"
        raise Mismatch("difference", message, "else nobody, or everybody, would pass for right")
    return difference


def made(prefix: str, seed: int | None) -> Iterator[str]:
    """Users without end: numbered from 1 on, or by a seed; more of them begin with the fewer."""
    if seed is None:
        yield from (f"{prefix}{n}" for n in range(1, 1 << 62))
    numbers, known = random.Random(seed), set[int]()  # noqa: S311 - to be repeated, not to be secret
    while True:
        number = numbers.getrandbits(_RANDOM_BITS)
        if number not in known:
            known.add(number)
            yield f"{prefix}{number}"


@dataclass(kw_only=True)
class Tally:
    """What came of the requests: `assigned` each user's backend, of the first answer that said one."""

    design: Design
    assigned: dict[str, str] = field(default_factory=dict)
    unsteady: dict[str, str] = field(default_factory=dict)  # users who were elsewhere, too, and where
    failed: Counter[str] = field(default_factory=Counter)  # requests by word
    unattributed: Counter[str] = field(default_factory=Counter)  # by reason
    doubtful: dict[str, str] = field(default_factory=dict)  # users of whom an answer is missing, and why

    def answered(self, user: str, backend: str) -> None:
        """An answer came from there."""
        before = self.assigned.setdefault(user, backend)
        if before != backend:
            self.unsteady.setdefault(user, backend)

    def lost(self, user: str, word: str) -> None:
        """No answer, or one that failed."""
        self.failed[word] += 1
        self.doubtful.setdefault(user, word)

    def unknown(self, user: str, reason: str) -> None:
        """An answer of nobody."""
        self.unattributed[reason] += 1
        self.doubtful.setdefault(user, reason)

    @property
    def without(self) -> int:
        """Users who have no backend."""
        return len(self.design.users) - len(self.assigned)

    @property
    def allowed(self) -> bool:
        """No more users without one than were allowed."""
        return self.without <= self.design.missing * len(self.design.users)

    def values(self, before: Mapping[str, str] | None = None) -> dict[str, object]:
        """As the descriptor has them; `before`: what was saved as `assigned`."""
        counts = Counter(self.assigned.values())
        names = [*counts, *(n for n in self.design.shares if n not in counts)]
        moves = Moves.between(before, self.assigned, [*names]) if before is not None else None
        open_ = [] if self.design.missing and self.allowed else [u for u in self.doubtful if u not in self.unsteady]
        return {
            "share": {n: self.share(counts[n]) for n in names},
            "counts": {n: counts[n] for n in names},
            "users": len(self.design.users),
            "failed": self.failed.total(),
            "unattributed": self.unattributed.total(),
            "unsteady": _up_to(len(self.unsteady), len(open_), f"of {len(open_):,} users an answer is missing")
            if self.design.repeat > 1
            else Missing("each user was asked for once: repeat: 2, or more, shows it"),
            "assigned": self.assigned,
            **(moves.values(self.lost_of(before)) if moves is not None and before is not None else _NO_MOVES),
        }

    def share(self, count: int) -> Interval:
        """Of a backend with so many users. Those without a backend may be anybody's: they widen it, and, unless they are allowed, no
        value is equal to it any more.
        """
        total, without = len(self.design.users), self.without
        point = count / len(self.assigned) if self.assigned else None
        doubt = f"{without:,} of {total:,} users have no backend" if without else ""
        if self.design.listed:
            return Interval(count / total, (count + without) / total, Dimension.RATIO, point=point, doubt=doubt)
        confidence = self.design.confidence
        low, high = two_sided(count, total, confidence)[0], two_sided(count + without, total, confidence)[1]
        apart = self.design.difference if self.allowed else None
        return Interval(low, high, Dimension.RATIO, point=point, apart=apart, doubt=doubt or self.design.doubt)

    def lost_of(self, before: Mapping[str, str]) -> int:
        """Users who had a backend then, and were asked, and have none now; none where that was allowed."""
        if self.design.missing and self.allowed:
            return 0
        return sum(u in before and u not in self.assigned for u in self.design.users)

    def record(self, before: Mapping[str, str] | None = None) -> dict[str, object]:
        """Evidence: the numbers, and a few examples of each."""
        found: dict[str, object] = {
            "users": self.design.text,
            "by backend": dict(Counter(self.assigned.values()).most_common(20)),
        }
        if self.without:
            found["without a backend"] = self.without
        for name, counted in (("failed", self.failed), ("unattributed", self.unattributed)):
            if counted:
                found[name] = dict(counted.most_common(10))
        if self.doubtful:
            found["examples"] = [f"{u}: {why}" for u, why in islice(self.doubtful.items(), _EXAMPLES)]
        if self.design.repeat > 1:
            found["at several backends"] = len(self.unsteady)
        if self.unsteady:
            both = islice(self.unsteady.items(), _EXAMPLES)
            found["for example"] = [f"{u}: {self.assigned[u]}, and {other}" for u, other in both]
        if before is not None:
            found |= Moves.between(before, self.assigned, ()).record()
        return found


_NO_MOVES: Final = dict.fromkeys(
    ("moved", "pairs", "left", "joined", "compared"), Missing("nothing to hold it against: since")
)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Users who were somewhere and are somewhere now; `names`: of all backends that are known."""

    moved: Mapping[str, tuple[str, str]]
    compared: int
    names: Sequence[str]

    @classmethod
    def between(cls, before: Mapping[str, str], now: Mapping[str, str], names: Sequence[str]) -> Moves:
        """Of the users in both."""
        both = [u for u in now if u in before]
        moved = {u: (before[u], now[u]) for u in both if before[u] != now[u]}
        return cls(moved=moved, compared=len(both), names=list(dict.fromkeys((*before.values(), *names))))

    def values(self, lost: int) -> dict[str, object]:
        """As the descriptor has them; each of those who are `lost` may have moved."""
        if not self.compared:
            return dict.fromkeys(_NO_MOVES, Missing("nobody of those users has a backend in both observations"))
        up_to = partial(_up_to, more=lost, doubt=f"{lost:,} users who had a backend have none now")
        pairs, left, joined = (Counter[str]() for _ in range(3))
        for one, other in self.moved.values():
            pairs[f"{one} -> {other}"] += 1
            left[one] += 1
            joined[other] += 1
        return {
            "moved": up_to(len(self.moved)),
            "pairs": {p: up_to(pairs[p]) for p in (f"{a} -> {b}" for a in self.names for b in self.names if a != b)},
            "left": {n: up_to(left[n]) for n in self.names},
            "joined": {n: up_to(joined[n]) for n in self.names},
            "compared": self.compared,
        }

    def record(self) -> dict[str, object]:
        """How many, between which, and examples."""
        pairs = Counter(f"{one} -> {other}" for one, other in self.moved.values())
        examples = [f"{u}: {one} -> {other}" for u, (one, other) in islice(self.moved.items(), _EXAMPLES)]
        found = {"compared": self.compared, "moved": dict(pairs.most_common(20))}
        return {**found, "moved for example": examples} if examples else found


def _up_to(count: int, more: int, doubt: str) -> int | Interval:
    """A count that may be larger by what is not known."""
    return Interval(count, count + more, Dimension.NUMBER, doubt=doubt) if more else count


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def ratio(value: object) -> float:
    """A share as it is given: read already, or in Python as text ("10%"). Raises QuantityError, a ValueError."""
    return value.value if isinstance(value, Quantity) else parse_quantity(str(value), Dimension.RATIO).value
