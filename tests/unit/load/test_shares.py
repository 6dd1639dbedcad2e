"""A load that several generators share is the load: every arrival once, every user once."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.load.packing import pack, unpack
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


def test_a_script_and_its_files_keep_their_places(tmp_path: Path) -> None:
    for name in ("users/shop.py", "data/names.csv", "ca.pem"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    given = config(
        script="../users/shop.py:buyer",
        directory=str(tmp_path / "data"),
        files=["names.csv"],
        verify=str(tmp_path / "ca.pem"),
    )
    there, files = pack(given)
    assert there["script"] == "script/users/shop.py:buyer"
    assert there["verify"] == "verify"
    assert files == {
        "script/users/shop.py": b"users/shop.py",
        "script/data/names.csv": b"data/names.csv",
        "verify": b"ca.pem",
    }
    assert unpack(there, files, Path("/there"))["verify"] == "/there/verify"


def test_a_load_of_requests_has_no_luggage() -> None:
    assert pack(config()) == (config(), {})


def test_descriptors_travel_and_what_only_looks_like_one_of_their_names_stays(tmp_path: Path) -> None:
    (tmp_path / "shop.binpb").write_bytes(b"described")
    message = {"message": {"text": "descriptors-0"}}
    first = {
        "what": "Shop/Buy",
        "arguments": {**message, "descriptors": str(tmp_path / "shop.binpb")},
        "tag": "",
        "weight": 1,
    }
    second = {"what": "Shop/Look", "arguments": {"message": "descriptors-0"}, "tag": "", "weight": 1}
    there, files = pack(config(operations=[first, second]))
    assert files == {"descriptors-0": b"described"}
    placed = unpack(there, files, Path("/there"))["operations"]
    assert placed[0]["arguments"] == {**message, "descriptors": "/there/descriptors-0"}
    assert placed[1] == second


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pack(config(script="none.py:x", directory=str(tmp_path)))
