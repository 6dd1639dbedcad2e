"""A service that uses what it is told to: GET / (nothing), /spin (processor time), /grow?mib=N, /spawn, /open?count=N, /write?path=P.

usage: worker.py PORT
"""

import http.server
import json
import os
import sys
import threading
import time
import urllib.parse
from pathlib import Path

kept = []


def spin():
    """Seconds that a tenth of a second's work took."""
    began, spent = time.monotonic(), time.thread_time()
    while time.thread_time() - spent < 0.1:
        pass
    return time.monotonic() - began


def grow(mib):
    kept.append(b"x" * (int(mib) << 20))
    return len(kept)


def spawn():
    thread = threading.Thread(target=time.sleep, args=(600,), daemon=True)
    thread.start()
    return thread.native_id


def open_(count):
    kept.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(count)))
    return len(kept)


def write(path):
    file = Path(path) / "written"
    file.write_bytes(b"x" * 65536)
    file.unlink()
    return path


DEEDS = {"/": lambda: os.getpid(), "/spin": spin, "/grow": grow, "/spawn": spawn, "/open": open_, "/write": write}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        try:
            status, told = 200, DEEDS[parts.path](**dict(urllib.parse.parse_qsl(parts.query)))
        except (OSError, RuntimeError) as error:
            status, told = 500, str(error)
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


# One thread, which is there already: to answer takes no other.
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
