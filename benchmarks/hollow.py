"""Ten hollow checks and ten good ones, by an author who had seen the documentation alone: `prove` tells them apart without a mistake.

python benchmarks/hollow.py
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = Path(__file__).parent / "hollow"


def main() -> int:
    """Command line."""
    expected = json.loads((SPEC / "expected.json").read_text())
    with tempfile.TemporaryDirectory(prefix="hollow-") as directory:
        spec = Path(directory) / "spec"
        shutil.copytree(SPEC, spec)
        began = time.monotonic()
        argv = [sys.executable, "-m", "seatrial", "prove", str(spec), "--directory", f"{directory}/trials", "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        took = time.monotonic() - began
    if not done.stdout:
        print(done.stderr)
        return 1
    found = {c["finding"]: c for c in json.loads(done.stdout)["checks"]}
    blind = {i for i, c in found.items() if c["outcome"] == "blind"}
    proven = {i for i, c in found.items() if c["outcome"] == "proven"}
    for finding in sorted((set(expected["hollow"]) ^ blind) | (set(expected["good"]) ^ proven)):
        print(f"    {finding}: {found[finding]['outcome']}: {found[finding]['why']}")
    hollow, good = len(blind & set(expected["hollow"])), len(proven & set(expected["good"]))
    print(
        f"hollow checks reported blind: {hollow} of 10 (bound 10), good ones proven: {good} of 10 (bound 10); {took:.0f} s"
    )
    return 0 if blind == set(expected["hollow"]) and proven == set(expected["good"]) else 1


if __name__ == "__main__":
    sys.exit(main())
