"""The proxy as a process: python -m seatrial.links FILE."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from .proxy import Proxy, orders_of


async def _serve(file: Path) -> None:
    orders, control, token = orders_of(file)
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await Proxy(orders, token).serve(control)
    os._exit(0)  # some event loops wait for connections that were given up when they are closed


def main() -> None:
    """Until SIGTERM."""
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    run(_serve(Path(sys.argv[1])))


main()
