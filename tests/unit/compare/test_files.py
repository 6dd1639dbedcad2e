"""Files are read in bounded memory, however many rows they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from seatrial.compare.sources.files import FileSource
from seatrial.compare.tables import Stop


def test_parquet_is_held_a_row_group_at_a_time(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    columns = {name: chance.integers(0, 1 << 62, 600_000) for name in "abc"}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "many.parquet", row_group_size=20_000)
    before, most, at = pa.total_allocated_bytes(), 0, 0
    for batch in FileSource(tmp_path / "many.parquet", "many", Stop()).batches(["c", "a"]):
        assert batch.schema.names == ["c", "a"]
        assert np.array_equal(batch.column(1).to_numpy(), columns["a"][at : at + len(batch)])
        at += len(batch)
        most = max(most, pa.total_allocated_bytes() - before)
    assert at == 600_000
    assert most < 4_000_000  # of 14 million
