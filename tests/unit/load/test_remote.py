"""What comes from a machine piece by piece is the file it wrote, in our time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.arrivals.samples import HEADER, ROW, read
from seatrial.arrivals.samples import header as header_of
from seatrial.core.errors import SeatrialError, UsageError
from seatrial.load import machines
from seatrial.load.dask import _is_local, _misfit, library
from seatrial.load.remote import Machine, RemoteGenerator

FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
AHEAD = 5_000_000


async def nothing(*_: Any) -> Any: ...


def seen(rows: bytes, *, ended: bool = False, result: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "at_ns": 1000 + AHEAD, "live": {"ok": 1}, "rate": 1.0, "connected": 2, "result": result or {}, "ended": ended,
        "rows": rows,
    }  # fmt: skip


def made(path: Path) -> RemoteGenerator:
    machine = Machine("tcp://a:1", nothing, "token", 1.0)
    machine.clock.add(0, AHEAD, 0)
    machine.clock.settle()
    generator = RemoteGenerator(machine, path)
    generator.expect(1000)
    return generator


@FILES
@given(st.binary(max_size=40 * ROW.itemsize), st.lists(st.integers(0, 1000), max_size=8))
async def test_pieces_make_the_file(tmp_path: Path, content: bytes, cuts: list[int]) -> None:
    content = content[: len(content) // ROW.itemsize * ROW.itemsize]
    wrote = header_of(1000 + AHEAD) + content
    generator = made(tmp_path / "x.load")
    ends = sorted({min(c, len(wrote)) for c in cuts} | {0, len(wrote)})
    for begin, end in itertools.pairwise(ends):
        generator.take(seen(wrote[begin:end]))
        assert generator.size == end
        assert read(tmp_path / "x.load")[0] == 1000
    generator.take(seen(b"", ended=True, result={"sha256": hashlib.sha256(wrote).hexdigest()}))
    start, rows = read(tmp_path / "x.load")
    assert start == 1000
    assert rows.tobytes() == content
    assert not generator.torn
    assert not generator.died


@pytest.mark.parametrize("lost", [0, HEADER, HEADER + ROW.itemsize])
async def test_a_piece_that_is_missing_is_noticed(tmp_path: Path, lost: int) -> None:
    wrote = header_of(1000 + AHEAD) + bytes(2 * ROW.itemsize)
    generator = made(tmp_path / "x.load")
    generator.take(seen(wrote[:lost], ended=True, result={"sha256": hashlib.sha256(wrote).hexdigest()}))
    assert generator.torn


async def test_one_that_ended_without_a_word_died(tmp_path: Path) -> None:
    generator = made(tmp_path / "x.load")
    generator.take(seen(header_of(1), ended=True))
    assert generator.died
    assert not generator.torn


async def test_a_machine_that_has_no_task_gets_no_orders(tmp_path: Path) -> None:
    async def here(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    machine = Machine("tcp://a:1", here, "no-such-token", 1.0)
    machine.generators.append(RemoteGenerator(machine, tmp_path / "x.load"))
    await machine.measure()
    assert machine.clock.uncertainty_ns < 1_000_000_000
    with pytest.raises(SeatrialError, match="tcp://a:1 did not begin: its task is not there"):
        await machine.give([{}], {}, 0)
    await machine.release()


def test_orders_are_taken_once() -> None:
    held = machines.Held()
    assert held.give({"configs": [], "files": {}}) == ""
    assert "already" in held.give({"configs": [], "files": {}})


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:80", True),
        ("http://127.3.2.1", True),
        ("https://[::1]:443", True),
        ("http://localhost:8000", True),
        ("http://shop.localhost", True),
        ("unix:/run/x", True),
        ("http://10.0.0.1", False),
        ("https://shop.test:8443", False),
    ],
)
def test_an_address_that_each_machine_takes_for_its_own(url: str, local: bool) -> None:
    assert _is_local(url) is local


OWN = {"seatrial": "1.2.3", "python": "3.11.7"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (OWN, ""),
        ({**OWN, "python": "3.11.2"}, ""),
        ({**OWN, "seatrial": "1.2.4"}, "tcp://a:1 has seatrial 1.2.4, this is 1.2.3"),
        ({**OWN, "python": "3.12.7"}, "tcp://a:1 runs on Python 3.12.7, this on 3.11.7"),
        (ModuleNotFoundError("No module named 'seatrial'"), "tcp://a:1 cannot run seatrial 1.2.3: No module named"),
    ],
)
def test_what_does_not_fit_is_named(said: Any, words: str) -> None:
    found = _misfit("tcp://a:1", said, OWN)
    assert found.startswith(words)
    assert bool(found) is bool(words)


def test_without_dask_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'seatrial\[dask\]'"):
        library()
