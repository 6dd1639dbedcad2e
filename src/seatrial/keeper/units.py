"""A supervised unit: start, back-off, hold, pause, stop, kill.

One order at a time acts on a unit (a lock). Ends arrive from outside that order: `_ended` decides from the hold and the
restart policy what comes next, so that a kill with a hold and a crash take the same way.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Restart, UnitOrder, UnitState, UnitStatus
from seatrial.core.quantities import NS_PER_S

from .confinement import confine
from .household import Group, thaw
from .launching import Program, executed
from .means import Means
from .signals import send

_STEADY_NS = 10 * NS_PER_S  # ran this long: the back-off starts anew
_REAPED_WITHIN_S = 5.0


@dataclass(kw_only=True, slots=True)
class _Hold:
    """Kept down: for `duration_ns` from when it is down, or for good (None)."""

    duration_ns: int | None
    until_ns: int | None = None


class Unit:
    """One unit. `by` in its methods is whoever orders: what they hold or pause is released when they go."""

    def __init__(self, order: UnitOrder, means: Means, peer: object = None) -> None:
        self.order = order
        self.peer = peer  # with whom it ends, though the trial goes on
        self._means = means
        self._group = Group(order.name)
        self._lock = asyncio.Lock()
        self.begun = False  # until then it has no state to show: its first start is under way
        self._state = UnitState.ENDED
        self._since_ns = time.monotonic_ns()
        self._process: ProcessId | None = None
        self._exit_status: int | None = None
        self._names_resolve = False
        self._restarts = 0
        self._launched_ns = 0
        self._backoff_ns = order.backoff_ns
        self._hold: _Hold | None = None
        self._by: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._turn = 0  # which timer counts
        self._gone = asyncio.Event()
        self._gone.set()
        self._finishing = False
        self._groups: tuple[Path, ...] = ()  # control groups that it is started in

    @property
    def status(self) -> UnitStatus:
        """How the unit stands now."""
        return UnitStatus(
            name=self.order.name,
            state=self._state,
            process=self._process,
            restarts=self._restarts,
            exit_status=self._exit_status,
            since_ns=self._since_ns,
            names_resolve=self._names_resolve,
        )

    @property
    def down(self) -> bool:
        """No process, and none to come without an order."""
        return self._state in (UnitState.ENDED, UnitState.HELD) and self._timer is None and self._process is None

    async def start(self) -> UnitStatus:
        """The first start. Raises SupervisorError if its program cannot be executed; it is then not supervised."""
        self._means.household.join(self._group)
        async with self._lock:
            try:
                await self._launch()
            except SupervisorError:
                self.retire()
                raise
        return self.status

    async def kill(self, hold_ns: int | None, by: object) -> UnitStatus:
        """SIGKILL everything; returns when all of it is gone."""
        async with self._lock:
            self._intend("kill", hold_ns)
            self._keep_down(hold_ns, by)
            await self._clear()
            self._settle_if_down()
        return self.status

    async def stop(self, hold_ns: int | None, by: object) -> UnitStatus:
        """End in order, within its stop time-out; then as kill."""
        async with self._lock:
            self._intend("stop", hold_ns)
            self._keep_down(hold_ns, by)
            await self._end_in_order(self.order.stop_timeout_ns)
            self._settle_if_down()
        return self.status

    async def pause(self, by: object) -> UnitStatus:
        """SIGSTOP everything, and see that it stopped."""
        async with self._lock:
            self._require(UnitState.RUNNING, "paused")
            self._intend("pause", None)
            self._by = by
            await self._means.household.freeze(self._group)
            if self._process is not None:
                self._change(UnitState.PAUSED)
        return self.status

    async def release(self) -> UnitStatus:
        """End a hold, a pause or a wait: it runs when this returns."""
        async with self._lock:
            await self._release()
        return self.status

    async def signal(self, number: int) -> UnitStatus:
        """Send a signal to everything, leader last."""
        async with self._lock:
            if self._process is None:
                raise SupervisorError(f"{self.order.name} has no process to signal: it is {self._state}")
            self._means.records.write("intent", sync=True, act="signal", unit=self.order.name, signal=number)
            self._means.household.look()
            for process in reversed(self._group.alive()):
                send(process, number)
        return self.status

    async def confine(self, now: Sequence[Path], later: Sequence[Path]) -> None:
        """Put everything into control groups, now and when it is started again. Raises SupervisorError if that cannot be done."""
        async with self._lock:
            self._means.records.write(
                "intent", sync=True, act="confine", unit=self.order.name, groups=[str(path) for path in now]
            )
            self._groups = tuple(later)
            confine(self._means.household, self._group, now)

    async def forgive(self, by: object) -> None:
        """Heal what this one has ordered, as it has gone."""
        async with self._lock:
            if self._by is not None and self._by is by:
                self._means.records.write("heal", unit=self.order.name, was=str(self._state))
                await self._release()

    async def prepare_end(self) -> None:
        """Heal it, and do not start it again: all is being ended."""
        self._finishing = True
        self._cancel_timer()
        async with self._lock:
            if self._state is UnitState.PAUSED:
                self._means.records.write("heal", unit=self.order.name, was=str(self._state))
                self._resume()

    async def finish(self, patience_ns: int) -> None:
        """End it for good: in order, within its stop time-out or this patience, whichever is shorter."""
        async with self._lock:
            await self._end_in_order(min(self.order.stop_timeout_ns, patience_ns))
            if self._state is not UnitState.ENDED:
                self._change(UnitState.ENDED)

    def retire(self) -> None:
        """Forget it: another takes its name."""
        self._finishing = True
        self._cancel_timer()
        self._means.household.leave(self._group)

    # -- starting and ending

    async def _release(self) -> None:
        self._hold = None
        self._by = None
        if self._state is UnitState.PAUSED:
            self._resume()
        elif self._process is None:
            self._intend("start", None)
            self._cancel_timer()
            await self._launch()

    async def _launch(self) -> None:
        await self._means.household.destroy(self._group)
        order = self.order
        self._means.records.write(
            "intent",
            sync=True,
            act="start",
            unit=order.name,
            program=str(order.argv[0]) if order.argv else "",
            directory=str(order.surroundings.directory),
        )
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            log = self._open_log()
            try:
                program = Program(
                    name=order.name,
                    argv=tuple(order.argv),
                    surroundings=order.surroundings,
                    streams=(null, log, log),
                    groups=self._groups,
                )
                launched = self._means.launch(program, self._group, self._ended)
            finally:
                os.close(log)
        finally:
            os.close(null)
        self._process = launched.process
        self._launched_ns = time.monotonic_ns()
        self._names_resolve = launched.names_resolve
        self._gone.clear()
        await executed(launched, program)
        # It may have ended already, and the end have been acted upon.
        if self._process is launched.process:
            self._change(UnitState.RUNNING)

    def _open_log(self) -> int:
        log = self.order.log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SupervisorError(f"cannot write the log {log} of {self.order.name}: {error.strerror}") from error

    async def _end_in_order(self, patience_ns: int) -> None:
        if self._state is UnitState.PAUSED:
            self._resume()
        self._means.household.note_memory(self._group.alive())
        if self._process is not None and send(self._process, self.order.stop_signal):
            waits = {asyncio.ensure_future(event.wait()) for event in (self._gone, self._means.hurry)}
            await asyncio.wait(waits, timeout=patience_ns / NS_PER_S, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        await self._clear()

    async def _clear(self) -> None:
        """Kill what there is of it, and see the leader's end."""
        await self._means.household.destroy(self._group)
        async with asyncio.timeout(_REAPED_WITHIN_S):
            await self._gone.wait()

    async def _clear_leftovers(self) -> None:
        async with self._lock:
            if self._process is None:
                await self._means.household.destroy(self._group)

    def _ended(self, exit_status: int) -> None:
        """The leader has ended, for whatever reason."""
        process, self._process = self._process, None
        self._exit_status = exit_status
        if process is not None:
            self._means.records.write("left", unit=self.order.name, pid=process.pid, exit_status=exit_status)
        if time.monotonic_ns() - self._launched_ns >= _STEADY_NS:
            self._backoff_ns = self.order.backoff_ns
        self._gone.set()
        self._means.spawn(self._clear_leftovers())
        self._settle()

    # -- what comes after an end

    def _keep_down(self, hold_ns: int | None, by: object) -> None:
        self._cancel_timer()
        self._hold = None if hold_ns == 0 else _Hold(duration_ns=hold_ns)
        self._by = by if self._hold else None

    def _settle_if_down(self) -> None:
        """A unit that was down already gets the new hold now; the end of another has been settled when it came."""
        if self._process is None and self._timer is None:
            self._settle()

    def _settle(self) -> None:
        self._cancel_timer()
        now_ns = time.monotonic_ns()
        if self._finishing:
            self._change(UnitState.ENDED)
        elif self._hold is not None:
            if self._hold.duration_ns is not None:
                self._hold.until_ns = self._hold.until_ns or now_ns + self._hold.duration_ns
                self._after(self._hold.until_ns - now_ns)
            self._change(UnitState.HELD)
        elif self._wants_restart():
            delay_ns = self._backoff_ns
            self._backoff_ns = min(self._backoff_ns * 2, self.order.backoff_max_ns)
            self._after(delay_ns)
            self._change(UnitState.BACKING_OFF)
        else:
            self._change(UnitState.ENDED)

    def _wants_restart(self) -> bool:
        policy = self.order.restart
        return policy is Restart.ALWAYS or (policy is Restart.ON_FAILURE and self._exit_status != 0)

    def _after(self, delay_ns: int) -> None:
        turn = self._turn
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_ns / NS_PER_S, lambda: self._means.spawn(self._restart(turn)))

    async def _restart(self, turn: int) -> None:
        async with self._lock:
            # An order that came in between has cancelled or replaced the timer that brought us here.
            if turn != self._turn or self._process is not None:
                return
            self._timer = None
            held, self._hold = self._hold, None
            self._by = None
            if held is not None and self.order.restart is Restart.NEVER:
                self._change(UnitState.ENDED)
                return
            self._restarts += 1
            try:
                await self._launch()
            except SupervisorError as error:
                self._means.records.write("failed", unit=self.order.name, error=str(error))
                if self._process is None and self._timer is None:
                    self._settle()

    def _resume(self) -> None:
        thaw(self._group.alive())
        self._change(UnitState.RUNNING)

    def _change(self, state: UnitState) -> None:
        self.begun = True
        self._state = state
        self._since_ns = time.monotonic_ns()
        self._means.records.write("state", unit=self.order.name, state=str(state))
        self._means.announce(self.status)

    def _cancel_timer(self) -> None:
        self._turn += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _intend(self, act: str, hold_ns: int | None) -> None:
        self._means.records.write("intent", sync=True, act=act, unit=self.order.name, hold_ns=hold_ns)

    def _require(self, state: UnitState, what: str) -> None:
        if self._state is not state:
            raise SupervisorError(f"{self.order.name} cannot be {what}: it is {self._state}")
