from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.platforms.compose.logs import Demultiplexer

FRAMES = st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.binary(max_size=300)), max_size=10)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames, cuts):
    sent = b"".join(bytes([s, 0, 0, 0]) + len(c).to_bytes(4, "big") + c for s, c in frames)
    demultiplexer, found, at, turn = Demultiplexer(), [], 0, 0
    while at < len(sent):
        size = cuts[turn % len(cuts)]
        found += demultiplexer.feed(sent[at : at + size])
        at, turn = at + size, turn + 1
    assert found == frames
