"""Samples of a load: a file of fixed-size rows, appended while it runs, that add up.

A row says: in this slot of 100 ms (of the time at which operations were due), with this tag, so many of this kind. Response times are
counted by bucket in every slot; service times and scheduling lag by bucket over the whole run. Rows of several workers are simply read
together. Layout, little-endian: a header of 64 bytes (magic, row size, start in ns of CLOCK_MONOTONIC), then rows of 20 bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"STLOAD01"
HEADER: Final = 64
SLOT_NS: Final = 100_000_000
ROW = np.dtype([("slot", "<u4"), ("bucket", "<u4"), ("count", "<i8"), ("tag", "<u2"), ("kind", "u1"), ("spare", "u1")])
Rows = NDArray[np.void]

# Kinds. RESPONSE, SERVICE and LAG are by bucket (arrivals.histogram); the others are counts, with a code in `bucket`.
RESPONSE, SERVICE, LAG = 1, 2, 3
DUE, OK, FAILED, BYTES = 4, 5, 6, 7  # FAILED: bucket is the error's code
GAP_FROM, GAP_TO = 8, 9  # a silence between two answers: ns since the start, numbered in `bucket`
CPU = 10  # of the generator in the second before, ns
IN_FLIGHT = 11  # at the slot's end
LAG_MAX = 12  # the largest scheduling lag in the slot, ns
LATE = 13  # arrivals that were sent later than is tolerable
WHOLE: Final = 0xFFFFFFFF  # the slot of what is counted over the whole run


def header(start_ns: int) -> bytes:
    """What a file begins with."""
    head = MAGIC + ROW.itemsize.to_bytes(4, "little") + b"\0\0\0\0" + start_ns.to_bytes(8, "little")
    return head + bytes(HEADER - len(head))


class SampleWriter:
    """Appends rows; one writer a file."""

    def __init__(self, path: Path, start_ns: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._file.write(header(start_ns))

    def write(self, rows: Rows) -> None:
        """Append."""
        if len(rows):
            self._file.write(rows.tobytes())

    def close(self) -> None:
        """Sync and close."""
        os.fsync(self._file.fileno())
        self._file.close()


def rows_of(
    kind: int, slots: NDArray[np.int64], buckets: NDArray[np.int64], counts: NDArray[np.int64], tags: NDArray[np.int64]
) -> Rows:
    """Rows from columns."""
    rows = np.zeros(len(slots), ROW)
    rows["slot"], rows["bucket"], rows["count"], rows["tag"], rows["kind"] = slots, buckets, counts, tags, kind
    return rows


def row(kind: int, slot: int, count: int, *, code: int = 0, tag: int = 0) -> Rows:
    """One row."""
    rows: Rows = np.array([(slot, code, count, tag, kind, 0)], ROW)
    return rows


def read(path: Path, last: int | None = None) -> tuple[int, Rows]:
    """(start in ns, all whole rows so far, or the last ones) of a file, also of one that is being written.

    Raises ValueError for a file that is none.
    """
    with path.open("rb") as file:
        head = file.read(HEADER)
    if len(head) < HEADER or head[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{path} holds no samples of a load")
    count = (path.stat().st_size - HEADER) // ROW.itemsize
    start = int.from_bytes(head[16:24], "little")
    skipped = max(0, count - last) if last is not None else 0
    if count == skipped:
        return start, np.empty(0, ROW)
    offset = HEADER + skipped * ROW.itemsize
    return start, np.memmap(path, ROW, mode="r", offset=offset, shape=(count - skipped,))


def together(parts: Sequence[Path]) -> tuple[int, Rows]:
    """The rows of several workers of one load, as of the earliest start: one that began later counts in the slots that it ran in."""
    read_parts = [read(p) for p in parts]
    least = min(start for start, _ in read_parts)
    return least, np.concatenate([_moved(rows, start - least) for start, rows in read_parts])


def _moved(rows: Rows, by_ns: int) -> Rows:
    if not by_ns:
        return rows
    moved = np.array(rows)
    moved["slot"][moved["slot"] != WHOLE] += round(by_ns / SLOT_NS)
    moved["count"][(moved["kind"] == GAP_FROM) | (moved["kind"] == GAP_TO)] += by_ns
    return moved


def seal(path: Path) -> tuple[int, str]:
    """Rows and sha256 of a finished file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return (path.stat().st_size - HEADER) // ROW.itemsize, digest.hexdigest()


def renumber(rows: Rows, own: Sequence[str], names: dict[str, int]) -> Rows:
    """Rows of a worker that numbered its tags itself (`own`: their names, by number), by the numbers of `names`, which grow.

    What has a number without a name (a worker that died had no time to say it) has no tag.
    """
    most = int(rows["tag"].max()) + 1 if len(rows) else 1
    known = [*own, *[""] * (most - len(own))]
    numbers = np.array([names.setdefault(name, len(names)) for name in known], np.uint16)
    found = np.array(rows)
    found["tag"] = numbers[found["tag"]]
    return found


def gathered(parts: Sequence[Path], tags: Sequence[Sequence[str]]) -> tuple[int, Rows, list[str]]:
    """(start in ns, the rows of several workers together, the names of their tags by number); `tags`: as each numbered its own."""
    found = [read(part) for part in parts]
    least = min(start for start, _ in found)
    names: dict[str, int] = {}
    pieces = [renumber(_moved(r, start - least), own, names) for (start, r), own in zip(found, tags, strict=True)]
    return least, np.concatenate(pieces), list(names)


def join(parts: Iterable[Path], into: Path, tags: Sequence[Sequence[str]] = ()) -> list[str]:
    """The rows of several workers as one file; the parts are gone afterwards.

    `tags`: the names of each part's tags in the order of their numbers, where workers numbered them themselves; returns the names of
    those in the joined file.
    """
    parts = list(parts)
    start, rows, names = gathered(parts, tags) if tags else (*together(parts), [])
    writer = SampleWriter(into, start)
    writer.write(rows)
    writer.close()
    for part in parts:
        part.unlink()
    return names
