"""What clients saw of a fault, from their records: core.sweeps.Onlooker."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..arrivals.errors import ERRORS
from ..arrivals.records import NOT_SENT, OK, Records, read
from ..core.sweeps import LEAST, Moments, Sample, Seen, classify


class Clients:
    """Reads the records of workloads; `rate`: operations a second of each."""

    def __init__(self, rate: float) -> None:
        self._pace_ns = 1e9 / rate if rate > 0 else 0.0

    def served(self, file: Path, from_ns: int, to_ns: int) -> bool:
        """core.sweeps.Onlooker."""
        due = _between(read(file), from_ns, to_ns)
        wanted = min(LEAST, max(1, int((to_ns - from_ns) / max(1.0, self._pace_ns)) - 1))
        return len(due) >= wanted and bool((due["status"] == OK).all())

    def complaint(self, file: Path) -> str:
        """core.sweeps.Onlooker."""
        records = read(file)
        bad = records[(records["status"] != OK) & (records["done"] > 0)]
        ends = Counter((int(r["http"]), int(r["error"])) for r in bad)
        if not ends:
            return ""
        (http, error), count = ends.most_common(1)[0]
        return f"{count} of {len(records)} ended with {f'status {http}' if http else ERRORS[error]}"

    def seen(self, file: Path, moments: Moments, patience_ns: int) -> Seen:
        """core.sweeps.Onlooker: of what is still under way nothing is known."""
        due = _between(read(file), moments.from_ns, moments.ended_ns)
        known = due[(due["done"] > 0) | (due["intended"] <= moments.ended_ns - patience_ns)]
        samples = [
            Sample(
                int(row["intended"]),
                int(row["done"]),
                bool(row["status"] == OK),
                (int(row["http"]) << 32 | int(row["answer"])) if row["answer"] else int(row["http"]),
            )
            for row in known[known["status"] != NOT_SENT]
        ]
        return classify(samples, moments, self._pace_ns)


def _between(records: Records, from_ns: int, to_ns: int) -> Records:
    chosen: Records = records[(records["intended"] >= from_ns) & (records["intended"] < to_ns)]
    return chosen
