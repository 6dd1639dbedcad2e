"""keeper.jsonl: one writer, whole lines, no secrets."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue
from seatrial.keeper.records import (
    RECORDS_FILE,
    Records,
    RecordsLockedError,
    as_fields,
    process_in,
    read_records,
    residue_fields,
)
from seatrial.keeper.wire import read_residue

PROCESS = ProcessId(boot="b", pid=7, started=9)


def test_records_have_both_clocks_and_come_back_in_order(tmp_path: Path) -> None:
    records = Records(tmp_path)
    before = time.monotonic_ns()
    records.write("intent", sync=True, act="start", unit="u")
    records.process(PROCESS, unit="u", part="leader", parent=1)
    records.close()
    first, second = read_records(tmp_path)
    assert first["event"] == "intent"
    assert before <= first["at_ns"] <= time.monotonic_ns()
    assert str(first["wall"]).endswith("+00:00")
    assert (second["unit"], second["part"], second["parent"]) == ("u", "leader", 1)
    assert process_in(second) == PROCESS


def test_there_is_one_writer(tmp_path: Path) -> None:
    records = Records(tmp_path)
    with pytest.raises(RecordsLockedError):
        Records(tmp_path)
    records.close()
    Records(tmp_path).close()


@pytest.mark.parametrize("torn", ['{"event":"proc', '{"event":"process","pid":1', "\x00\x00", "[1]", '{"no":"event"}'])
def test_a_torn_line_spoils_nothing(tmp_path: Path, torn: str) -> None:
    path = tmp_path / RECORDS_FILE
    path.write_text(json.dumps({"event": "one"}) + "\n" + torn)
    assert [record["event"] for record in read_records(tmp_path)] == ["one"]
    records = Records(tmp_path)
    records.write("two")
    records.close()
    assert [record["event"] for record in read_records(tmp_path)] == ["one", "two"]


def test_a_file_that_is_absent_or_unreadable(tmp_path: Path) -> None:
    assert list(read_records(tmp_path)) == []
    (tmp_path / RECORDS_FILE).mkdir()
    with pytest.raises(SupervisorError, match="cannot read"):
        list(read_records(tmp_path))
    with pytest.raises(SupervisorError, match="cannot write"):
        Records(tmp_path)


@pytest.mark.parametrize(
    "record",
    [{}, {"boot": "b", "pid": "7", "started": 9}, {"boot": "b", "pid": 7}, {"boot": 1, "pid": 7, "started": 9}],
)
def test_what_names_no_process_is_none(record: dict[str, object]) -> None:
    assert process_in(record) is None
    assert process_in(as_fields(PROCESS)) == PROCESS


def test_a_residue_survives_the_way() -> None:
    residue = Residue(processes=("pid 1 (x)",), ports=("port 1",), directories=("/d: busy",))
    assert read_residue(json.loads(json.dumps(residue_fields(residue)))) == residue
