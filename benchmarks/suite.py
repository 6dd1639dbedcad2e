"""Twenty tests of the shop, of which eight are hollow: `seatrial prove --suite` has to name exactly these.

They were written beforehand by somebody who knew neither the code nor its rules (suite20, with expected.json).

python benchmarks/suite.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent / "suite20"
ROOT = Path(__file__).parents[1]
SHOP = ROOT / "examples/jewelry-shop"
COMMAND = (
    "SHOP_URL={proxy.url} WEB_URLS={web.urls} DATABASE_URL={postgres.dsn} REDIS_SENTINELS={redis.sentinels} "
    "REDIS_MASTER={redis.master} ETCD_URL={etcd.url} SHOP_ADMIN_PASSWORD=$SEATRIAL_SECRET_ADMIN_PASSWORD "
    f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:seatrial tests/e2e --junitxml={{junit}}"
)


def named(node: str) -> str:
    """A test as JUnit has it: tests/e2e/test_a.py::TestB::test_c is tests.e2e.test_a.TestB::test_c."""
    file, *parts = node.split("::")
    return f"{'.'.join([file.removesuffix('.py').replace('/', '.'), *parts[:-1]])}::{parts[-1]}"


def main() -> int:
    """Command line."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    expected = json.loads((HERE / "expected.json").read_text())
    hollow, good = ({named(n) for n in expected[k]} for k in ("hollow", "good"))
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "seatrial", "prove", "--suite", COMMAND, "--json", "--directory", str(ROOT / ".seatrial"), str(SHOP)],
        cwd=HERE, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    took = time.monotonic() - began
    if not done.stdout:
        print(done.stderr[-2000:])
        return 1
    found = json.loads(done.stdout)
    outcomes = {t["test"]: t["outcome"] for t in found["tests"]}
    blind = {t for t, o in outcomes.items() if o == "blind"}
    proven = {t for t, o in outcomes.items() if o == "proven"}
    for test in found["tests"]:
        if (test["test"] in hollow) != (test["outcome"] == "blind") or (test["test"] in good) != (
            test["outcome"] == "proven"
        ):
            print(f"not as expected: {test['test']}: {test['outcome']}: {test['why']}")
    held = blind == hollow and proven == good
    print(
        f"{len(found['windows'])} windows, {len(found['runs'])} runs of {len(outcomes)} tests in {took:.0f} s: blind {len(blind)}, "
        f"of them hollow {len(blind & hollow)} (bound {len(hollow)} of {len(hollow)}); proven {len(proven)}, of them good "
        f"{len(proven & good)} (bound {len(good)} of {len(good)}){f'; {r}' if (r := found['reason']) else ''}"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
