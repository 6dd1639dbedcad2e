"""A client of a keeper that can be killed: arguments are the directory, a mark, the heartbeat limit in ns, and options."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from seatrial.core.processes import Surroundings, UnitOrder
from seatrial.keeper import KeeperClient

FORKER = Path(__file__).with_name("forker.py")


async def main(directory: Path, mark: str, limit_ns: int, options: list[str]) -> None:
    keeper = await KeeperClient.launch(directory, heartbeat_limit_ns=limit_ns)
    surroundings = Surroundings(directory=directory, environment={"PATH": os.environ["PATH"]})
    await keeper.claim(directories=[directory / "data"])
    (directory / "data" / "file").write_text("x")
    for name in ("a#1", "a#2"):
        argv = [sys.executable, str(FORKER), mark, str(directory / f"{name}.told")]
        await keeper.start(UnitOrder(name=name, argv=argv, surroundings=surroundings, log=directory / f"{name}.log"))
        told = directory / f"{name}.told"
        while not told.exists() or len(told.read_text().splitlines()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    if "fork" in options and os.fork() == 0:
        # Holds the client's end of the connection open for as long as the test reads from its pipe.
        sys.stdout.close()
        sys.stdin.read()
        os._exit(0)
    if "pause" in options:
        await keeper.pause("a#1")
    if "keep" in options:
        await keeper.keep()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
