"""A load that several generators share is the load: every arrival once, every user once."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seatrial.load.process import shares
from seatrial.load.worker import Worker

S = 1_000_000_000


def config(**more: Any) -> dict[str, Any]:
    return {
        "users": 0, "connections": 256, "script": "", "directory": ".", "verify": True, "cert": "", "key": "", "operations": [],
        "headers": {}, "tags": [], "file": "x", "timeout_ns": 1, "for_ns": None, "protocol": "http1", **more,
    }  # fmt: skip


@given(st.integers(0, 300), st.integers(1, 40))
def test_users_are_all_there_and_nobody_has_none(users: int, generators: int) -> None:
    each = shares(config(users=users), generators)
    assert sum(one["users"] for one in each) == users
    assert [one["share"] for one in each] == [[n, len(each)] for n in range(len(each))]
    assert len(each) == generators if not users else min(generators, users)
    if users:
        assert max(one["users"] for one in each) - min(one["users"] for one in each) <= 1


@given(st.integers(1, 13), st.floats(1, 700), st.integers(0, 25 * S))
def test_each_arrival_is_sent_once(generators: int, rate: float, for_ns: int) -> None:
    whole = config(urls=[], for_ns=for_ns, schedule={"constant": rate}, seed=1)
    sent = [np.concatenate([*Worker(one)._schedule()]) for one in shares(whole, generators)]
    together = np.sort(np.concatenate(sent))
    wanted = takewhile(lambda at: at < for_ns, (round(n * S / rate) for n in range(20_000)))
    assert np.abs(together - np.fromiter(wanted, np.int64)).max(initial=0) <= 1
    assert max(map(len, sent)) - min(map(len, sent)) <= 1
