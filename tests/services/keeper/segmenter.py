"""Makes shared memory as servers do, a SysV segment and a file in /dev/shm, tells both in a file, and never removes them.

Arguments: a mark and the file.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
from pathlib import Path

IPC_PRIVATE, IPC_CREAT = 0, 0o1000

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
number = libc.shmget(IPC_PRIVATE, ctypes.c_size_t(4096), IPC_CREAT | 0o600)
assert number >= 0
assert libc.shmat(number, None, 0) != ctypes.c_void_p(-1).value
shared = Path("/dev/shm") / f"segmenter-{os.getpid()}-{number}"
with shared.open("wb+") as file:
    file.truncate(4096)
    memory = mmap.mmap(file.fileno(), 4096)
Path(sys.argv[2]).write_text(f"{number} {shared}\n")
while True:
    signal.pause()
