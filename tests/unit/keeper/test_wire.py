"""What goes over the socket comes out as it went in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.processes import (
    CommandResult,
    ProcessId,
    Restart,
    Surroundings,
    UnitOrder,
    UnitState,
    UnitStatus,
)
from seatrial.keeper import wire

texts = st.text(st.characters(codec="utf-8"), max_size=20)
whole = st.integers(min_value=0, max_value=1 << 62)
surroundings = st.builds(
    Surroundings,
    directory=st.just(Path("/d/ä")),
    environment=st.dictionaries(texts, texts, max_size=3),
    unprivileged=st.booleans(),
    hosts=st.dictionaries(texts, texts, max_size=3),
)
orders = st.builds(
    UnitOrder,
    name=texts,
    argv=st.lists(texts, max_size=3).map(tuple),
    surroundings=surroundings,
    log=st.just(Path("/l")),
    restart=st.sampled_from(Restart),
    backoff_ns=whole,
    backoff_max_ns=whole,
    stop_signal=st.integers(1, 31),
    stop_timeout_ns=whole,
)
statuses = st.builds(
    UnitStatus,
    name=texts,
    state=st.sampled_from(UnitState),
    process=st.none() | st.builds(ProcessId, boot=texts, pid=whole, started=whole),
    restarts=whole,
    exit_status=st.none() | st.integers(-64, 255),
    since_ns=whole,
    names_resolve=st.booleans(),
)
results = st.builds(
    CommandResult, exit_status=st.integers(-64, 255), stdout=texts, stderr=texts, took_ns=whole, timed_out=st.booleans()
)


@given(orders)
def test_orders(order: UnitOrder) -> None:
    line = wire.encode(wire.write_order(order))
    assert line.count(b"\n") == 1
    assert wire.read_order(wire.decode(line)) == order


@given(statuses)
def test_statuses(status: UnitStatus) -> None:
    assert wire.read_status(wire.decode(wire.encode(wire.write_status(status)))) == status


@given(results)
def test_results(result: CommandResult) -> None:
    assert wire.read_result(wire.decode(wire.encode(wire.write_result(result)))) == result


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"{", b"\xff"])
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        wire.decode(line)


def test_a_socket_has_a_short_path_in_a_private_directory() -> None:
    path = wire.socket_path()
    assert len(os.fsencode(path)) < 107
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_uid == os.geteuid()
    assert path != wire.socket_path()
