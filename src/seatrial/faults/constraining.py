"""What the faults of resources have in common: a constraint of a platform, and looking at the kernel's own figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..core.cgroups import Group, group_of
from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanConstrain, CanLocate, Platform
from ..core.processes import ProcessId
from ..core.quantities import Dimension, Quantity, format_quantity
from ..core.stack import Instance
from .acting import each

KERNEL = "the kernel's own figures of its processes"


class Constraint:
    """core.faults.Fault for limits and pressure: a constraint of `KIND` with `arguments`, on each victim. It lasts until it is healed.

    A subclass says how it is seen: `seen` reads what the kernel says of the processes that the victim has now.
    """

    KIND: str

    def __init__(self, order: FaultOrder) -> None:
        self.arguments: dict[str, object] = self.read(order.arguments)
        self.numbers: dict[str, int] = {}

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The constraint's arguments: those of the step in base units."""
        return {n: v.value if isinstance(v, Quantity) else v for n, v in given.items() if v is not None}

    def number(self, name: str) -> float:
        """One of them; 0 where it is not given."""
        found = self.arguments.get(name)
        return float(found) if isinstance(found, int | float) else 0.0

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        constrainer = constrainer_of(platform)

        async def one(victim: Instance) -> None:
            self.numbers[victim.name] = await constrainer.constrain(victim, self.KIND, self.arguments)

        await each(one(v) for v in victims)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Lift it where it began. Raises PlatformError where it had ended by itself."""
        constrainer = constrainer_of(platform)
        found = [(v, number) for v in victims if (number := self.numbers.pop(v.name, None)) is not None]
        await each(constrainer.relax(v, number) for v, number in found)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Look at the processes that it has now."""
        leader = await leader_of(platform, victim)
        if leader is None:
            return self.testify(victim, "is down", acted=False)
        return await self.seen(platform, victim, leader)

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """What the kernel's figures show."""
        raise NotImplementedError

    @staticmethod
    def testify(victim: Instance, what: str, *, acted: bool, at_ns: int | None = None) -> Testimony:
        """Evidence in words."""
        at = time.monotonic_ns() if at_ns is None else at_ns
        return Testimony(acted=acted, at_ns=at, witness=KERNEL, detail=f"{victim.name}: {what}")


def constrainer_of(platform: Platform) -> CanConstrain:
    """Raises NotExercised where the platform cannot."""
    if not isinstance(platform, CanConstrain):
        raise NotExercised(f"platform {platform.name} cannot constrain")
    return platform


async def leader_of(platform: Platform, victim: Instance) -> ProcessId | None:
    """The victim's first process now. Raises NotExercised where it is not to be seen."""
    if not isinstance(platform, CanLocate):
        raise NotExercised(f"platform {platform.name} has no witness: its processes are not to be seen from here")
    return await platform.leader(victim)


def held_by(leader: ProcessId, controller: str) -> Group:
    """The control group that a process is in now. Raises NotExercised where there is none."""
    group = group_of(leader.pid, controller)
    if group is None:
        raise NotExercised(f"there is no control group for {controller} here")
    return group


def size(value: float) -> str:
    """Bytes in words."""
    return format_quantity(value, Dimension.SIZE)
