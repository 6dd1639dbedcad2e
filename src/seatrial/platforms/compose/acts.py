"""What is done to containers on purpose: crash, operator's kill and stop, pause, and letting go.

A crash is a SIGKILL of the first process from outside: the engine restarts it by its policy. ``docker kill`` and ``docker stop`` count as
the operator's: it stays down until somebody starts it. So a hold is an operator's kill, and a start when it is over. Whatever does not end
with us is recorded as a remedy before it is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import count

from ...core import procfs
from ...core.errors import NotExercised, PlatformError, SupervisorError
from ...core.processes import Supervisor
from ...core.quantities import NS_PER_S
from ...core.stack import Instance
from . import removal
from .containers import Container
from .engine import TIMEOUT_S, Engine
from .fleet import Fleet
from .orders import WATCH_S, Orders
from .places import cgroup_of

_GONE_S = 5.0
_NOTICED_S = 30.0
_LONGEST_S = 45.0  # a remedy has a minute
_POLL_S = 0.002


class Acts:
    """Of one platform. `supervisor` keeps the remedies."""

    def __init__(self, engine: Engine, fleet: Fleet, supervisor: Supervisor, *, local: bool) -> None:
        self._engine, self._fleet, self._supervisor, self._local = engine, fleet, supervisor, local
        self._numbers = count(1)
        self._remedies: dict[str, list[str]] = {}  # by instance
        self._holds: dict[str, asyncio.Task[None]] = {}
        self._orders = Orders()

    async def kill(self, instance: Instance, hold_ns: int | None) -> None:
        """CanKill. Raises NotExercised for a crash where this machine may not signal the container's process."""
        container = self._fleet.get(instance)
        if hold_ns == 0:
            await self._crash(container)
            return
        await self._remember(container, "start", WATCH_S)
        container.held = "held down: killed by an operator"
        await self._orders.give(container.name, self._engine.post(f"/containers/{container.id}/kill", signal="SIGKILL"))
        await self._fleet.inspect(container)
        self._fleet.show(container)
        self._hold(container, hold_ns)

    async def stop(self, instance: Instance, hold_ns: int | None) -> None:
        """CanStop: its stop signal, and SIGKILL after its grace period."""
        container = self._fleet.get(instance)
        grace_s = container.service.stop_s
        await self._remember(container, "start", grace_s + WATCH_S)
        container.held = "held down: stopped by an operator"
        await self._orders.give(
            container.name, self._engine.post(f"/containers/{container.id}/stop", timeout_s=grace_s + TIMEOUT_S)
        )
        await self._fleet.inspect(container)
        self._fleet.show(container)
        self._hold(container, hold_ns)

    async def pause(self, instance: Instance) -> None:
        """CanPause: the engine's freezer."""
        container = self._fleet.get(instance)
        await self._remember(container, "unpause", WATCH_S)
        await self._orders.give(container.name, self._engine.post(f"/containers/{container.id}/pause"))
        await self._fleet.inspect(container)
        self._fleet.show(container)

    async def release(self, instance: Instance) -> None:
        """CanRelease."""
        container = self._fleet.get(instance)
        if (holding := self._holds.pop(container.name, None)) is not None and holding is not asyncio.current_task():
            holding.cancel()
        await self._orders.over(container.name)
        await self._fleet.inspect(container)
        if container.status == "paused":
            await self._engine.post(f"/containers/{container.id}/unpause")
        elif container.id and container.status in ("exited", "created", "dead"):
            container.ours += 1
            try:
                await self._engine.post(f"/containers/{container.id}/start")
            except PlatformError:
                container.ours -= 1
                raise
        await self._fleet.inspect(container)
        self._fleet.show(container)
        await self._forget(container)

    async def close(self, *, forget: bool) -> None:
        """No hold is waited for any more. `forget`: what is down will be removed, and need not be started for that."""
        for task in self._holds.values():
            task.cancel()
        await asyncio.gather(*self._holds.values(), return_exceptions=True)
        self._holds.clear()
        await self._orders.close()
        for container in self._fleet.containers.values() if forget else ():
            await self._forget(container)

    async def _crash(self, container: Container) -> None:
        process = container.process
        if not self._local or process is None:
            raise NotExercised(
                f"a crash of {container.name} is a SIGKILL of its process from outside, and its engine ({self._engine.address.url}) "
                "runs elsewhere: run seatrial on that machine, as root. With `hold:` it is an operator's kill, which works from here"
            )
        if os.geteuid() != 0:
            raise NotExercised(
                f"a crash of {container.name} is a SIGKILL of pid {process.pid} from outside, for which seatrial has to be root. "
                "With `hold:` it is an operator's kill, which the engine does"
            )
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return  # it has just ended by itself
        try:
            if procfs.is_alive(process) and container.id in (cgroup_of(process.pid) or ""):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)
        if not await _until(lambda: not procfs.is_alive(process), _GONE_S):
            raise PlatformError(f"{container.name}: pid {process.pid} outlives SIGKILL")
        # It is dead, and its engine will say so: on a busy machine after seconds. What is shown until then is old.
        await _until(lambda: container.process != process, _NOTICED_S)

    def _hold(self, container: Container, hold_ns: int | None) -> None:
        if hold_ns is None:
            return

        async def over() -> None:
            await asyncio.sleep(hold_ns / NS_PER_S)
            try:
                await self.release(container.instance())
            except (PlatformError, SupervisorError) as error:
                container.held = f"{container.held}; it could not be started again: {error}"

        self._holds[container.name] = asyncio.create_task(over())

    async def _remember(self, container: Container, act: str, watch_s: float) -> None:
        """A remedy, recorded before the deed. `watch_s`: how long the order may be on its way at most."""
        name = f"{act} {container.name} ({container.id[:12]}), {os.getpid()}.{next(self._numbers)}"
        words = act, container.id, container.started_at
        undo, watch = removal.both(self._engine.address, min(watch_s, _LONGEST_S), *words)
        await self._supervisor.remedy(name, [undo], watch=[watch])
        self._remedies.setdefault(container.name, []).append(name)

    async def _forget(self, container: Container) -> None:
        for name in self._remedies.pop(container.name, []):
            await self._supervisor.settle(name, run=False)


async def _until(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
