"""When what another tool measured cannot be trusted."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import pytest

from seatrial.api.tools import doubt_of
from seatrial.arrivals import samples
from seatrial.core.load_plans import ToolPlan

LOCUST, K6 = ToolPlan(name="locust", file="f.py"), ToolPlan(name="k6", file="s.js")
CORES = os.cpu_count() or 1


def seconds(*shares: float) -> samples.Rows:
    """A generator that used so much of a core in each second."""
    return np.concatenate([samples.row(samples.CPU, n * 10, int(s * 1e9)) for n, s in enumerate(shares)])


@pytest.mark.parametrize(
    ("tool", "said", "shares", "doubt"),
    [
        (LOCUST, {}, [0.5] * 20, ""),
        (LOCUST, {}, [0.5] * 19 + [0.99], ""),  # once is no sign
        (LOCUST, {}, [0.99] * 20, "Locust's core was full in 20 of 20 seconds: the times that it tells are its own"),
        (K6, {}, [0.99 * CORES] * 20, "k6's (core was|. cores were) full in 20 of 20 seconds"),
        (K6, {}, [0.9 * CORES] * 20, ""),
        (LOCUST, {"wanted": 50, "reached": 49}, [0.1], "only 49 of 50 users were reached"),
        (K6, {"iterations": 990, "dropped_iterations": 10}, [0.1], ""),
        (K6, {"iterations": 980, "dropped_iterations": 20}, [0.1], "k6 dropped 20 of 1,000 iterations"),
        (K6, {"broke_off": True, "own": {"words": "k6 ended with 107"}}, [0.1], "k6 broke off: k6 ended with 107"),
    ],
)
def test_doubts(tool: ToolPlan, said: dict[str, Any], shares: list[float], doubt: str) -> None:
    found = doubt_of(tool, said, seconds(*shares))
    assert bool(found) is bool(doubt)
    assert re.match(doubt, found)
