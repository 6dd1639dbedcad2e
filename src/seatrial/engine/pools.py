"""How much of their pool of connections servers have given away, asked of the servers themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ..core.errors import SeatrialError
from ..core.expressions.syntax import Path, walk
from ..core.observations import Observation, Seen
from ..core.plan import Plan, ProbeCall
from ..core.quantities import NS_PER_S
from ..core.stack import InstanceState, Target
from ..core.usage import PoolSample
from .probing import Prober

# A session that we may not look into still has a database; our own connection does not count.
_CLIENTS = (
    "select count(*), current_setting('max_connections')::int from pg_stat_activity "
    "where datid is not null and coalesce(backend_type, 'client backend') = 'client backend' and pid <> pg_backend_pid()"
)
_FULL = ("too many clients", "too many connections", "remaining connection slots")


def pools_wanted(plan: Plan) -> tuple[str, ...]:
    """The services whose pool an expectation speaks of: only those are asked."""
    conditions = [e.condition for e in (*plan.expect, *(e for s in plan.scenarios for e in s.expect))]
    paths = [n for c in conditions for n in walk(c.tree) if isinstance(n, Path) and n.root == "usage"]
    found = [str(p.parts[0].key) for p in paths if len(p.parts) == 2 and p.parts[1].key == "pool"]
    return tuple(dict.fromkeys(found))


class PoolWatch:
    """Asks each instance of services of kind postgres."""

    def __init__(self, prober: Prober, services: Iterable[str]) -> None:
        self._prober = prober
        self.services = tuple(services)

    async def look(self) -> list[PoolSample]:
        """One look at each service; none at one of which no instance runs: there is no pool then."""
        looks = [await self._service(name) for name in self.services]
        return [look for look in looks if look is not None]

    async def _service(self, name: str) -> PoolSample | None:
        shares, why = [], ""
        try:
            instances = (await self._prober.view(name)).instances
        except SeatrialError as error:
            return PoolSample(at_ns=time.monotonic_ns(), service=name, share=None, why=str(error))
        running = [i for i in instances if i.state is not InstanceState.DOWN]
        if not running:
            return None
        for instance in running:
            at = Target(service=name, ordinal=instance.ordinal)
            answer = await self._prober.call(ProbeCall(verb="sql", what=_CLIENTS, at=at), {}, NS_PER_S)
            share = share_of(answer)
            if share is None:
                why = f"{instance.name}: {answer.message or answer.error or 'no answer'}"
            else:
                shares.append(share)
        return PoolSample(at_ns=time.monotonic_ns(), service=name, share=max(shares, default=None), why=why)


def share_of(answer: Observation) -> float | None:
    """What an answer says of the pool: a server that turns us away for want of connections has none left."""
    if answer.seen is not Seen.VALUE:
        return 1.0 if any(words in answer.message for words in _FULL) else None
    rows = answer.values.get("rows")
    if not isinstance(rows, list) or not rows:
        return None
    taken, most = rows[0]
    return float(taken) / float(most)
