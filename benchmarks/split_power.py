"""Are wrong shares found, and right ones left alone? 10,000 splits each, judged by the code that judges a step.

python benchmarks/split_power.py [--times 10000] [--seed 1]

A share of 10 % is wanted, and 5 points matter. The tool chooses the number of users; each of them is drawn with the true share (which is
what a router does that goes by a hash), and the compiled step judges what the probe says of them. Bounds: a true share of 15 % is failed
in at least 99 %, a true one of 10 % in at most 1 %.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

from seatrial.api.vocabulary import vocabulary
from seatrial.core.observations import value
from seatrial.core.plan import CheckPlan
from seatrial.core.shares import power
from seatrial.engine.probing import judge
from seatrial.probes.splitting import Design, Tally, design
from seatrial.spec.single import compile_check

STEP = """{split: GET http://127.0.0.1:1/listings/1, headers: {X-User: "{{ user }}"}, backend: headers.x-served-by,
          share: {microservice: 10%}, difference: 5%}"""


def judged(check: CheckPlan, taken: Design, draw: random.Random, share: float) -> bool | None:
    """One split of a router that has this share."""
    tally, chance = Tally(design=taken), draw.random
    for user in taken.users:
        tally.answered(user, "microservice" if chance() < share else "monolith")
    return judge(check, value(tally.values()), {}).truth


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    check = compile_check(STEP, vocabulary(), environment={})
    taken, draw = design(check.call.arguments), random.Random(given.seed)
    began = time.monotonic()
    right, wrong, low = (
        Counter(judged(check, taken, draw, share) for _ in range(given.times)) for share in (0.10, 0.15, 0.05)
    )
    exact = power(len(taken.users), 0.1, 0.05)
    print(f"{taken.text}; {3 * given.times:,} splits in {time.monotonic() - began:.0f} s")
    failed, found, under = (c[False] / given.times for c in (right, wrong, low))
    print(
        f"a true 5 % is failed in {under:.2%}; a true 10 % passes in {right[True] / given.times:.2%} (exactly {exact.passed:.2%})"
    )
    print(f"a true 15 % is failed in {found:.2%} (bound: at least 99 %; exactly, on the worse side, {exact.found:.2%})")
    print(f"a true 10 % is failed in {failed:.2%} (bound: at most 1 %)")
    return 0 if found >= 0.99 and under >= 0.99 and failed <= 0.01 else 1


if __name__ == "__main__":
    raise SystemExit(main())
