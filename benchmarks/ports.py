"""Ports of benchmarks that are nobody else's."""

from __future__ import annotations

import atexit

from seatrial.platforms.ports import Ports

_PORTS = Ports()
atexit.register(_PORTS.release)


def free_port() -> int:
    """A port that nobody listens on. No other benchmark and no trial gets it while this process lives, nor does the kernel give it to
    anybody who connects, as it does with ports that are asked for by 0 and given back.
    """
    return _PORTS.allocate()
