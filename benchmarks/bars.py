"""Every figure that is promised, beside its bound. Long: more than an hour on two cores; --quick runs a part of each.

python benchmarks/bars.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHOP = ROOT / "examples/jewelry-shop"
SEATRIAL = [sys.executable, "-m", "seatrial"]


def bar(title: str, argv: list[str], *, shown: int = 1) -> bool:
    """Run a command, show the last lines of what it says, and whether it held."""
    began = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.strip().splitlines() if line.strip()][-shown:]
    held = done.returncode == 0
    print(f"{'✔' if held else '✘'} {title} ({time.monotonic() - began:.0f} s)")
    for line in lines or done.stderr.strip().splitlines()[-3:]:
        print(f"    {line}")
    sys.stdout.flush()
    return held


def demo() -> bool:
    """The shop's trial: GO, exit status 0, in less than 4 minutes."""
    began = time.monotonic()
    done = subprocess.run([*SEATRIAL, "run", str(SHOP)], cwd=ROOT, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    held = done.returncode == 0 and took < 240
    print(f"{'✔' if held else '✘'} demo: exit status {done.returncode} (bound 0) in {took:.0f} s (bound 240 s)")
    report = json.loads((ROOT / ".seatrial/latest/report.json").read_text())
    print(f"    {report['summary']}")
    for finding in report["findings"]:
        if finding["verdict"] != "PASS":
            print(f"    {finding['verdict']} {finding['id']}: {finding['reason']}")
    sys.stdout.flush()
    return held


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three variants, three kills, five windows")
    quick = parser.parse_args().quick
    benchmarks = ROOT / "benchmarks"
    three = ["--only", "replication-asynchronous", "--only", "tenant-leak", "--only", "proxy-with-one-upstream"]
    kills = "3" if quick else "20"
    results = [
        demo(),
        bar("coverage", [*SEATRIAL, "coverage", str(SHOP)]),
        bar("variants", [*SEATRIAL, "variants", str(SHOP), *([*three, "--no-control"] if quick else [])], shown=16),
        bar(
            "outages of known length",
            [sys.executable, str(benchmarks / "outage_accuracy.py"), "--windows", "5" if quick else "20"],
        ),
        bar("seatrial killed", [sys.executable, str(benchmarks / "kills.py"), "--times", kills]),
        bar(
            "seatrial and its keeper killed",
            [sys.executable, str(benchmarks / "kills.py"), "--times", kills, "--keeper"],
        ),
        bar("speed", [sys.executable, str(benchmarks / "http_checks.py"), "--pairs", "1" if quick else "3"]),
        bar(
            "load, closed loop",
            [sys.executable, str(benchmarks / "load_closed.py"), *(["--pairs", "5"] if quick else [])],
            shown=5,
        ),
        bar("load, open loop", [sys.executable, str(benchmarks / "load_open.py")], shown=5),
        bar("load, a stall", [sys.executable, str(benchmarks / "load_stall.py")], shown=2),
        bar("load, two processes", [sys.executable, str(benchmarks / "load_cores.py")], shown=2),
        *([] if quick else [bar("twenty tests, eight hollow", [sys.executable, str(benchmarks / "suite.py")])]),
        bar("hollow checks", [sys.executable, str(benchmarks / "hollow.py")]),
        bar("history", [sys.executable, str(benchmarks / "history.py")], shown=6),
        bar("fingerprints", [sys.executable, str(benchmarks / "fingerprints.py")], shown=3),
        bar(
            "two stores",
            [sys.executable, str(benchmarks / "compare_stores.py"), *(["--pairs", "3"] if quick else [])],
            shown=6,
        ),
        *(
            []
            if quick
            else [
                bar(
                    "two stores, ten million rows",
                    [sys.executable, str(benchmarks / "compare_stores.py"), "--rows", "10000000", "--pairs", "1"],
                    shown=6,
                )
            ]
        ),
        bar(
            "links against toxiproxy",
            [sys.executable, str(benchmarks / "link_proxy.py"), *(["--pairs", "3"] if quick else [])],
            shown=5,
        ),
        bar(
            "shares of traffic",
            [sys.executable, str(benchmarks / "split_power.py"), "--times", "1000" if quick else "10000"],
            shown=3,
        ),
        bar(
            "links, start",
            [sys.executable, str(benchmarks / "links.py"), "--start", "1000", "--pairs", "1" if quick else "3"],
        ),
        bar(
            "faults of networks",
            [sys.executable, str(benchmarks / "network_faults.py"), "--times", "2" if quick else "20"],
            shown=12,
        ),
        bar(
            "containers (needs root, a Docker engine, Compose v2)",
            [sys.executable, str(benchmarks / "compose.py"), *(["--times", "3"] if quick else [])],
            shown=1,
        ),
        bar(
            "faults of resources (need root)",
            [sys.executable, str(benchmarks / "resource_faults.py"), "--times", "2" if quick else "20"],
            shown=22,
        ),
        bar(
            "faults of resources on containers",
            [sys.executable, str(benchmarks / "resource_faults.py"), "--compose", "--times", "2" if quick else "20"],
            shown=22,
        ),
        *([] if quick else [bar("load, memory", [sys.executable, str(benchmarks / "load_memory.py")])]),
    ]
    print(f"{sum(results)} of {len(results)} bars hold")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
