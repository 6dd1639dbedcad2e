"""Profiles: how many users and how long, by name; one factor scales all durations of theirs, and never the users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..core.errors import Problem
from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.load_plans import LoadPlan, ProfilePlan
from ..core.plan import LoadStep, ScenarioPlan
from ..core.quantities import NS_PER_S, Quantity
from ..core.shapes import NUMBER, Field
from .crowds import USERS, Crowd, crowd_of
from .keys import SOME_TIME
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, shorten
from .reading import BAD, Bad, Place, Reader

_MINUTE = 60 * NS_PER_S
LEAST, MOST = 0.001, 1000
SCALE = replace(NUMBER, least=LEAST)
PROFILE: Mapping[str, Field] = {
    "users": Field(shape=USERS, doc="How many, or how many over time.", example="100"),
    "for": Field(shape=SOME_TIME, doc="How long.", example="10m"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What a name stands for."""

    crowd: Crowd
    for_ns: int


_SPIKE = {"spike": {"base": 20, "peak": 200, "after_ns": 2 * _MINUTE, "for_ns": _MINUTE}}
BUILT_IN: Mapping[str, Profile] = {
    "smoke": Profile(crowd=Crowd(peak=5), for_ns=2 * _MINUTE),
    "load": Profile(crowd=Crowd(peak=100), for_ns=10 * _MINUTE),
    "stress": Profile(crowd=Crowd(peak=500), for_ns=10 * _MINUTE),
    "spike": Profile(crowd=Crowd(peak=200, over_time=_SPIKE), for_ns=5 * _MINUTE),
    "endurance": Profile(crowd=Crowd(peak=50), for_ns=60 * _MINUTE),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the command line says of profiles: another factor, another profile for all loads that have one."""

    scale: float | None = None
    name: str | None = None


class Profiles:
    """The profiles of a spec."""

    def __init__(self, reader: Reader, root: MappingNode, choice: Choice) -> None:
        self._reader = reader
        self._choice = choice
        self._chosen = choice.name
        self._known = dict(BUILT_IN)
        self._used = False
        self.scale = self._scale(root.get("scale"))
        self._read(root.get("profiles"))
        reader.known.profiles = self._known
        if choice.name is not None and choice.name not in self._known:
            hint = f"profiles: {listing(self._known, 30)}. {did_you_mean(choice.name, self._known)}".rstrip()
            message = f"--profile {choice.name}: there is no profile of that name"
            reader.problems.append(Problem(message=message, hint=hint))
            self._chosen = None

    def _scale(self, node: Node | None) -> float:
        found = self._reader.read(node, SCALE, Place(literal=True)) if node is not None else 1.0
        if node is not None and not isinstance(found, Bad) and found > MOST:
            found = self._reader.wrong(node, f"{found} is too large", f"at most {MOST:,}")
        given = self._choice.scale
        if given is not None and not LEAST <= given <= MOST:
            message = f"--scale {given:g} is no factor"
            hint = f"from {LEAST:g} to {MOST:,}; for example --scale 0.1"
            self._reader.problems.append(Problem(message=message, hint=hint))
            given = None
        return given if given is not None else 1.0 if isinstance(found, Bad) else float(found)

    def _read(self, node: Node | None) -> None:
        if node is None:
            return
        if not isinstance(node, MappingNode):
            hint = "profiles: {load: {users: 40, for: 5m}}"
            self._reader.wrong(node, f"profiles are a mapping of names, not {describe(node)}", hint)
            return
        for key, child in node:
            if self._reader.identifier(key, "a profile"):
                profile = self._profile(key, child)
                self._known[key.text] = profile or self._known.get(key.text) or BUILT_IN["smoke"]

    def _profile(self, key: Scalar, node: Node) -> Profile | None:
        """One of the spec's own; what it does not say of a built-in one stays. None after a problem."""
        found = self._reader.fields(node, PROFILE, Place(literal=True), what="a profile")
        if isinstance(found, Bad) or BAD in found.values() or not isinstance(node, MappingNode):
            return None
        before = BUILT_IN.get(key.text)
        crowd = before.crowd if before is not None else None
        if found["users"] is not None:
            crowd = crowd_of(self._reader, node.entries["users"].value, found["users"])
            if crowd is None:
                return None
        given = found["for"]
        own = crowd.ends_ns if crowd is not None and found["users"] is not None else None  # steps end by themselves
        usual = own or (before.for_ns if before is not None else None)
        for_ns = int(given.value) if isinstance(given, Quantity) else usual
        if crowd is None or for_ns is None:
            hint = f"{key.text}: {{users: 40, for: 5m}}"
            self._reader.wrong(key, f"the profile {shorten(key.text)} needs users and for", hint)
            return None
        if unseen := crowd.unseen(for_ns):
            place = node.get("for") or node
            self._reader.wrong(place, f"the profile ends before {unseen} begins", "a longer for")
            return None
        return Profile(crowd=crowd, for_ns=for_ns)

    def of(self, name: str) -> tuple[Crowd, ProfilePlan]:
        """The users of a load, scaled, and what is to be said of it; `name` is one that is known."""
        self._used = True
        chosen = self._chosen or name
        own, profile = self._known[name], self._known[chosen]
        plan = ProfilePlan(name=chosen, scale=self.scale, whole_ns=profile.for_ns)
        if chosen != name:
            plan = replace(plan, instead_of=name, own_ns=own.for_ns)
        return profile.crowd.scaled(self.scale), plan

    def end(self) -> None:
        """After the loads: a profile that was asked for and changes nothing is a mistake."""
        if self._choice.name is not None and not self._used and not self._reader.problems:
            message = f"--profile {self._choice.name}: no load of this spec has a profile"
            self._reader.problems.append(Problem(message=message, hint=f"profile: {self._choice.name} in a load"))


def with_time_for_loads(
    plans: Iterable[ScenarioPlan], loads: Mapping[str, LoadPlan], root: MappingNode
) -> tuple[ScenarioPlan, ...]:
    """Scenarios whose deadline nobody wrote have the length of the loads that their steps run in addition."""
    node, defaults = root.get("scenarios"), root.get("defaults")
    if isinstance(defaults, MappingNode) and "deadline" in defaults.entries:
        return tuple(plans)
    found = []
    for plan in plans:
        own = node.get(plan.id) if isinstance(node, MappingNode) else None
        ran = [loads[s.load] for s in (*plan.steps, *plan.finally_) if isinstance(s, LoadStep) and s.load in loads]
        more = sum(load.for_ns or 0 for load in ran)
        if isinstance(own, MappingNode) and "deadline" not in own.entries and more:
            plan = replace(plan, deadline_ns=plan.deadline_ns + more)
        found.append(plan)
    return tuple(found)
