"""A paused server answers nothing and breaks no connection: a request that waits too long for one is cut off here."""

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress

from django.db import connections

LIMIT_SECONDS = 2.5
_waiting: dict = {}
_watchers: list[threading.Thread] = []
_lock = threading.Lock()


def _cut(wrapper) -> None:
    """Shut the line under the connection: whoever waits on it gets an OperationalError."""
    used = wrapper.connection
    if used is None or used.closed:
        return  # still connecting: connect_timeout sees to that
    with suppress(OSError), socket.socket(fileno=os.dup(used.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _watch() -> None:
    while True:
        time.sleep(0.25)
        late = time.monotonic() - LIMIT_SECONDS
        with _lock:
            for since, wrapper in _waiting.values():
                if since < late:
                    _cut(wrapper)


@contextmanager
def limited():
    """What is done here may wait LIMIT_SECONDS for the database."""
    me = threading.get_ident()
    with _lock:
        if not _watchers:
            _watchers.append(threading.Thread(target=_watch, name="watchdog", daemon=True))
            _watchers[0].start()
        _waiting[me] = (time.monotonic(), connections["default"])
    try:
        yield
    finally:
        with _lock:
            del _waiting[me]
