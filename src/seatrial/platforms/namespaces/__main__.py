"""The process that goes into a network namespace and does one thing there.

    python -m seatrial.platforms.namespaces apply|serve ORDER | remove|look NAMESPACE TAG | choose ORDER | try

Exit status: 0 done, 3 not possible here (why is on standard error), 1 gone wrong. `serve` reads a queue until it is ended. `choose` and
`try` print an object of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.errors import NotExercised, PlatformError
from . import filters, shaping, tools
from .entering import enter, inside, opened
from .orders import Order, read
from .trying import tried

NOT_HERE = 3


def main(argv: Sequence[str]) -> int:
    """See above."""
    try:
        answer = _do(argv[0], list(argv[1:]))
    except NotExercised as error:
        sys.stderr.write(f"{error}\n")
        return NOT_HERE
    except (PlatformError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _do(verb: str, arguments: list[str]) -> dict[str, Any]:
    match verb, arguments:
        case "apply", [text]:
            _apply(read(text))
            return {}
        case "serve", [text]:
            _serve(read(text))
            return {}
        case "choose", [text]:
            return _choice(read(text))
        case "remove", [number, tag]:
            return {"found": _remove(int(number), tag)}
        case "look", [number, tag]:
            return {"found": _there(int(number), tag)}
        case "try", []:
            return tried()
    raise ValueError(f"nobody here can {verb}")


def _home() -> int:
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _namespace(order: Order) -> int:
    found = opened(order.namespace, order.pid)
    if found is None:
        raise PlatformError(f"the network namespace of process {order.pid} is no more")
    return found


def _apply(order: Order) -> None:
    namespace, home = _namespace(order), _home()
    try:
        if order.kind == "bandwidth" or (order.kind == "latency" and not order.queue):
            shaping.apply(order, namespace, home)
        else:
            with inside(namespace):
                filters.apply(order)
    except BaseException:
        _take_away(order.tag, namespace, home)  # half of it may be there
        raise


def _remove(number: int, tag: str) -> bool:
    """Whether there was anything. A namespace that is no more has taken it along."""
    namespace = opened(number)
    return namespace is not None and _take_away(tag, namespace, _home())


def _there(number: int, tag: str) -> bool:
    """Whether rules of that tag are in a namespace."""
    namespace = opened(number)
    if namespace is None:
        return False
    with inside(namespace):
        return filters.stands(tag)


def _take_away(tag: str, namespace: int, home: int) -> bool:
    shaped = shaping.remove(tag, namespace, home)
    with inside(namespace):
        return filters.remove(tag) or shaped


def _choice(order: Order) -> dict[str, Any]:
    """How an order can be carried out: by netem, or by a queue of the number that nobody has there."""
    namespace, home = _namespace(order), _home()
    with inside(namespace):
        listed = Path("/proc/thread-self/net/netfilter/nfnetlink_queue")
        taken = (
            {int(line.split()[0]) for line in listed.read_text("ascii").splitlines()} if listed.exists() else set[int]()
        )
    free = next(n for n in range(64_000, filters.NOBODYS) if n not in taken)
    shaped = tools.find("tc") is not None and shaping.free_for_netem(order, namespace, home)
    return {"queue": free, "taken": sorted(taken), "netem": shaped}


def _serve(order: Order) -> None:
    enter(_namespace(order))
    from .queue import Reader

    Reader(order).serve()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
