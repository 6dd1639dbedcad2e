"""Fixtures: `stack` brings up real services for a test, `trial` runs a whole spec.

async def test_failover(stack):
    async with stack({"redis": {"kind": "redis", "replicas": 1, "sentinels": 3}}) as shop:
        ...

def test_ready_for_production(trial):
    assert trial("seatrial.yaml").outcome == "GO"
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..api.python import Stack
    from ..api.running import Run


@pytest.fixture
def stack(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Stack]]:
    """Called with the services of a stack (or a stack file), gives an async context manager with the running stack."""

    def make(services: Any) -> AbstractAsyncContextManager[Stack]:
        from ..api.python import stack as running

        return running(services, directory=tmp_path / "stack")

    return make


@pytest.fixture
def trial(tmp_path: Path) -> Callable[..., Run]:
    """Called with a spec's path (and only=..., variables=...), runs it and gives its outcome, ledger and directory."""

    def run(spec: str | Path, *, only: tuple[str, ...] = (), variables: dict[str, str] | None = None) -> Run:
        import asyncio
        import os

        from ..api.reporting import write_reports
        from ..api.running import Request, run_trial
        from ..api.vocabulary import vocabulary
        from ..spec import compile_spec

        plan = compile_spec(Path(spec), vocabulary(), environment=os.environ, variables=variables or {})
        result = asyncio.run(run_trial(plan, Request(only=only, root=tmp_path / "trials")))
        write_reports(result.directory)
        return result

    return run
