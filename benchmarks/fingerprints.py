"""What it costs to know what was tested: a directory of an application, looked at before a trial and after it.

python benchmarks/fingerprints.py [--files 5000] [--kib 20]

Before: every file is read and hashed. After: sizes and times alone, where nothing changed. Bounds: 1 s for 100 MB before, 200 ms after.
And the journal: what the seal adds to a line.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from seatrial.attestation.files import IGNORED, Budget, Tree, pattern_of

BEFORE_MS, AFTER_MS, LINE_US = 1000, 200, 5


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--kib", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number in range(given.files):
            directory = root / f"package{number % 50}/part{number % 7}"
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"file{number}.py").write_bytes(os.urandom(given.kib * 1024))
        time.sleep(0.2)  # files that have just been written are read twice
        before, after = [], []
        for _ in range(5):
            tree = Tree(root=root, ignore=pattern_of(IGNORED))
            began = time.perf_counter()
            tree.look(Budget(bytes=1 << 30))
            before.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            if list(tree.changes()):
                return 1
            after.append((time.perf_counter() - began) * 1000)
    total, line = hashlib.sha256(), b"x" * 400
    began = time.perf_counter()
    for _ in range(100_000):
        total.update(line)
    each = (time.perf_counter() - began) * 10
    size = given.files * given.kib * 1024 / 1e6
    rows = [
        (f"{given.files:,} files, {size:.0f} MB, before", median(before), BEFORE_MS, "ms"),
        (f"{given.files:,} files, {size:.0f} MB, after", median(after), AFTER_MS, "ms"),
        ("a line of 400 bytes into the journal's seal", each, LINE_US, "us"),
    ]
    for title, found, bound, unit in rows:
        print(f"{'✔' if found < bound else '✘'} {title:<46} {found:8.1f} {unit} (bound {bound} {unit})")
    return 0 if all(found < bound for _, found, bound, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
