"""Operation records: a memory-mapped file of fixed-size records.

The invocation is written first with status *unknown*, and patched on completion: a killed worker leaves unknowns, never a gap.
Layout, little-endian: a header of 64 bytes (magic, version, record size), then records of 64 bytes. The file grows sparsely;
the rows that count are those whose `sent` or `status` is set, and `seal` cuts it to them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"STHIST01"
HEADER: Final = 64
UNKNOWN, OK, FAIL, NOT_SENT = 0, 1, 2, 3
RESENT: Final = 1  # flag: sent once more after it was acknowledged
RECORD = np.dtype(
    [
        ("number", "<u8"),
        ("intended", "<i8"),
        ("sent", "<i8"),
        ("done", "<i8"),
        ("first_sent", "<i8"),
        ("http", "<u2"),
        ("status", "u1"),
        ("error", "u1"),
        ("attempts", "u1"),
        ("flags", "u1"),
        ("used", "u1"),
        ("answer", "<u4"),  # stands for the text of the answer, where that is looked at; 0: not known
        ("spare", "V13"),
    ]
)
Records = NDArray[np.void]
_GROW = 8192


class Recorder:
    """Writes records; one writer a file. Numbers are dense from 0: the number is the row."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("w+b")
        self._file.write(MAGIC + RECORD.itemsize.to_bytes(4, "little") + bytes(HEADER - len(MAGIC) - 4))
        self._file.flush()
        self._rows = 0
        self._size = 0
        self._map: mmap.mmap | None = None
        self._array: Any = np.empty(0, RECORD)
        self._grow()

    def _grow(self) -> None:
        self._size += _GROW
        self._file.truncate(HEADER + self._size * RECORD.itemsize)
        self._array = None
        if self._map is not None:
            self._map.resize(HEADER + self._size * RECORD.itemsize)
        else:
            self._map = mmap.mmap(self._file.fileno(), 0)
        self._array = np.frombuffer(self._map, RECORD, count=self._size, offset=HEADER)

    def invoke(self, intended: int) -> int:
        """A new operation, due at that moment; returns its number."""
        number = self._rows
        if number >= self._size:
            self._grow()
        self._array[number] = (number, intended, 0, 0, 0, 0, UNKNOWN, 0, 0, 0, 1, 0, b"")
        self._rows = number + 1
        return number

    def sent(self, number: int, at: int) -> None:
        """An attempt went out."""
        row = self._array[number]
        row["sent"] = at
        if row["attempts"] == 0:
            row["first_sent"] = at
        row["attempts"] = min(255, int(row["attempts"]) + 1)

    def done(self, number: int, at: int, status: int, error: int = 0, http: int = 0) -> None:
        """How it ended."""
        row = self._array[number]
        row["done"] = at
        row["status"] = status
        row["error"] = error
        row["http"] = http

    def answered(self, number: int, answer: int) -> None:
        """What stands for the text of its answer."""
        self._array[number]["answer"] = answer

    def flag(self, number: int, flag: int) -> None:
        """Mark it."""
        self._array[number]["flags"] |= flag

    @property
    def rows(self) -> int:
        """How many operations there are."""
        return self._rows

    def close(self) -> None:
        """Cut the file to its rows and close it."""
        self._array = None
        if self._map is not None:
            self._map.flush()
            self._map.close()
            self._map = None
            self._file.truncate(HEADER + self._rows * RECORD.itemsize)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def read(path: Path) -> Records:
    """All operations so far, also of a file that is being written or was left by a killed worker; a copy, in order.

    Raises ValueError for a file that is none.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC or len(data) < HEADER:
        raise ValueError(f"{path} is no record of operations")
    count = (len(data) - HEADER) // RECORD.itemsize
    rows = np.frombuffer(data, RECORD, count=count, offset=HEADER)
    used: Records = rows[rows["used"] == 1]
    return used


def seal(path: Path) -> tuple[int, str]:
    """Rows and sha256 of a finished file."""
    return len(read(path)), hashlib.sha256(path.read_bytes()).hexdigest()


def whole(path: Path, rows: int, sha256: str) -> bool:
    """Whether a file is still what was sealed."""
    try:
        return seal(path) == (rows, sha256)
    except (OSError, ValueError):
        return False
