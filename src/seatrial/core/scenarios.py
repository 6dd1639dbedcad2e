"""Scenarios in Python: a decorated coroutine function with its effects declared.

@seatrial.scenario(id="warm-cache", covers=["R-7"], services=["web"])
async def warm_cache(trial):
    await trial.check("http", "GET /", at="web", expect="status == 200", within="10s")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

ATTRIBUTE = "__seatrial_scenario__"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """What a scenario function says of itself."""

    id: str
    title: str
    function: str
    line: int
    covers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    alone: bool = False
    throughout: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    deadline: str | None = None  # the spec's, which is 2m where it says nothing
    full_length: bool = False


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """A single name counts as a list of one."""
    return (given,) if isinstance(given, str) else tuple(given)


def scenario(
    *,
    id: str | None = None,  # noqa: A002 - the spec's own word
    title: str | None = None,
    covers: Sequence[str] = (),
    faults: Sequence[str] = (),
    services: Sequence[str] = (),
    needs: Sequence[str] = (),
    after: Sequence[str] = (),
    alone: bool = False,
    throughout: Sequence[str] = (),
    labels: Sequence[str] = (),
    deadline: str | None = None,
    full_length: bool = False,
) -> Callable[[_F], _F]:
    """Make an async function a scenario. Faults and services that are not declared are refused when it tries them.

    `needs`: they must have passed; `after`: they must have ended; `alone`: nothing else runs meanwhile. `full_length`: where profiles are
    scaled down or a shorter one was chosen it says nothing, and is not exercised.
    """

    def mark(function: _F) -> _F:
        name = id or function.__name__.replace("_", "-")
        first_line = next(iter((function.__doc__ or "").strip().splitlines()), name)
        declaration = Declaration(
            id=name,
            title=title or first_line.rstrip("."),
            function=function.__name__,
            line=function.__code__.co_firstlineno,
            covers=_names(covers),
            faults=_names(faults),
            services=_names(services),
            needs=_names(needs),
            after=_names(after),
            alone=alone,
            throughout=_names(throughout),
            labels=_names(labels),
            deadline=deadline,
            full_length=full_length,
        )
        setattr(function, ATTRIBUTE, declaration)
        return function

    return mark
