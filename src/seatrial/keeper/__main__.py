"""``python -m seatrial.keeper``: started by `KeeperClient.launch`, by nobody else."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from seatrial.core.errors import SupervisorError

from .records import Records
from .server import Keeper
from .surroundings import become_subreaper
from .wire import encode, socket_path


def main(arguments: list[str]) -> int:
    """Arguments: the trial's directory, the descriptor of the owner's socket, the heartbeat limit in ns."""
    directory, descriptor, limit_ns = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    owner = socket.socket(fileno=descriptor)
    owner.set_inheritable(False)  # it was passed to us alone: a unit that held it would hide our end from the owner
    # The keeper is no child of its owner's: nobody has to wait for it, and no shell sees it as a job.
    if os.fork():
        os._exit(0)
    os.setsid()
    try:
        become_subreaper()
        keeper = Keeper(directory, Records(directory), socket_path(), limit_ns)
        asyncio.run(keeper.serve(owner))
    except (SupervisorError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        owner.setblocking(True)
        owner.sendall(encode({"event": "parted", "why": str(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
