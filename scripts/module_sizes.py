"""Fails when a module is longer than 500 lines: it holds more than one thing."""

import sys
from pathlib import Path

LIMIT = 500
ROOT = Path(__file__).parents[1]

long = [
    f"{path.relative_to(ROOT)}: {count} lines, at most {LIMIT}"
    for part in ("src", "tests", "benchmarks", "examples", "scripts")
    for path in sorted((ROOT / part).rglob("*.py"))
    if (count := len(path.read_text(encoding="utf-8").splitlines())) > LIMIT
]
sys.stdout.write(("\n".join(long) or "modules: none over 500 lines") + "\n")
sys.exit(bool(long))
