"""Arrival schedules: when each operation is due, in ns since the start, precomputed in chunks with NumPy.

The schedule is open: it never asks how the system does. A slow answer delays no later arrival, so the wait is seen
(Schroeder et al., "Open versus closed: a cautionary tale", NSDI 2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
CHUNK_NS = 10_000_000_000
_S = 1e9
_END = 2.0**61  # ns: what a rate next to nothing makes due later (73 years) is never due


def constant(rate: float) -> Iterator[Times]:
    """Evenly spaced, without an end. `rate` per second, more than 0."""
    if rate <= 0:
        raise ValueError("a constant rate is more than 0/s")
    gap, per_chunk = min(_S / rate, _END), max(1, round(rate * CHUNK_NS / _S))
    first = 0
    while first * gap < _END:
        numbers = np.arange(first, first + per_chunk, dtype=np.float64)
        yield np.rint(numbers * gap).astype(np.int64)
        first += per_chunk


def poisson(rate: float, seed: int) -> Iterator[Times]:
    """Exponential gaps with mean 1/rate, without an end; the same seed gives the same arrivals."""
    if rate <= 0:
        raise ValueError("a Poisson rate is more than 0/s")
    random = np.random.default_rng(seed)
    gap, per_chunk = min(_S / rate, _END), max(16, round(rate * CHUNK_NS / _S))
    last = 0.0
    while last < _END:
        times = last + np.cumsum(random.exponential(gap, per_chunk))
        last = float(times[-1])
        yield np.rint(times[times < _END]).astype(np.int64)


def ramp(start: float, end: float, over_ns: int) -> Iterator[Times]:
    """From one rate to another over a time, then constant at the last rate (for good; nothing if that is 0).

    The n-th arrival is where the integral of the rate reaches n: start*t + (end-start)*t^2/(2*over) = n.
    """
    if over_ns <= 0 or start < 0 or end < 0:
        raise ValueError("a ramp has rates from 0/s and takes more than 0s")
    seconds = over_ns / _S
    total = (start + end) / 2 * seconds
    count, most = int(np.ceil(total)), max(1, round(max(start, end) * CHUNK_NS / _S))
    for first in range(0, count, most):
        numbers = np.arange(first, min(first + most, count), dtype=np.float64)
        yield np.rint(_inverse(numbers, start, end, seconds) * _S).astype(np.int64)
    yield from _then(end, over_ns)


def steps(parts: Sequence[tuple[float, int]]) -> Iterator[Times]:
    """Rates (per second), each for a time (ns); after the last one nothing more is due."""
    begin = 0
    for rate, span in parts:
        for times in constant(rate) if rate > 0 else ():
            inside = times[times < span]
            yield begin + inside
            if len(inside) < len(times):
                break
        begin += span


def spike(base: float, peak: float, after_ns: int, for_ns: int) -> Iterator[Times]:
    """One rate, from a moment on another for a time, then the first again (for good; nothing if that is 0).

    The n-th arrival is where the integral of the rate reaches n, so that no change of the rate loses or adds one.
    """
    if base < 0 or peak < 0 or after_ns < 0 or for_ns <= 0:
        raise ValueError("a spike has rates from 0/s, and lasts more than 0s")
    area, begin = 0.0, 0.0
    for rate, end in ((base, after_ns / _S), (peak, (after_ns + for_ns) / _S), (base, np.inf)):
        upto = area + rate * (end - begin) if rate else area
        first = int(np.ceil(area))
        while first < upto:
            last = min(upto, first + max(1, round(rate * CHUNK_NS / _S)))
            numbers = np.arange(first, np.ceil(last), dtype=np.float64)
            with np.errstate(over="ignore"):
                times = (begin + (numbers - area) / rate) * _S
            yield np.rint(times[times < _END]).astype(np.int64)
            if times[-1] >= _END:
                return
            first = int(np.ceil(last))
        area, begin = upto, end


def _then(rate: float, begin: int) -> Iterator[Times]:
    if rate > 0:
        for times in constant(rate):
            yield times + begin


def _inverse(numbers: NDArray[np.float64], start: float, end: float, seconds: float) -> NDArray[np.float64]:
    """2n / (start + sqrt(start^2 + 2 slope n)), the form that nothing cancels in."""
    slope = (end - start) / seconds
    below = start + np.sqrt(np.maximum(0.0, start * start + 2 * slope * numbers))
    found: NDArray[np.float64] = np.divide(2 * numbers, below, out=np.zeros_like(numbers), where=below > 0)
    return found


def of(description: Mapping[str, Any], seed: int = 0) -> Iterator[Times]:
    """The schedule of a description: {constant: rate}, {poisson: rate}, {ramp: {from, to, over_ns}}, {steps: [[rate, ns], ...]},
    {spike: {base, peak, after_ns, for_ns}}.

    Raises ValueError for any other.
    """
    (kind, value), *rest = description.items()
    if rest:
        raise ValueError(f"one schedule at a time, not {', '.join(description)}")
    match kind:
        case "constant":
            return constant(float(value))
        case "poisson":
            return poisson(float(value), seed)
        case "ramp":
            return ramp(float(value["from"]), float(value["to"]), int(value["over_ns"]))
        case "steps":
            return steps([(float(rate), int(span)) for rate, span in value])
        case "spike":
            return spike(float(value["base"]), float(value["peak"]), int(value["after_ns"]), int(value["for_ns"]))
    raise ValueError(f"unknown schedule {kind}")


def highest_rate(description: Mapping[str, Any]) -> float:
    """The highest rate of a description, per second: what resolution is stated with."""
    (kind, value), *_ = description.items()
    if kind == "ramp":
        return max(float(value["from"]), float(value["to"]))
    if kind == "steps":
        return max((float(rate) for rate, _ in value), default=0.0)
    if kind == "spike":
        return max(float(value["base"]), float(value["peak"]))
    return float(value)
