"""A small service with a weakness.

python weak_service.py PORT plain [UPSTREAM]     asks anew each time
python weak_service.py PORT stubborn UPSTREAM    has one connection, and never another
python weak_service.py PORT stale UPSTREAM       answers with a wrong price while its upstream is gone
"""

import json
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, KIND, UPSTREAM = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
VALUE = b"price: 7"


class Stubborn:
    """One connection for ever: what breaks it is never mended."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition("/")[2].partition(":")
        self.lock = threading.Lock()
        self.connection = socket.create_connection((host, int(port)), timeout=1)

    def ask(self) -> bytes:
        with self.lock:
            self.connection.sendall(b"GET /value HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while len(answer.partition(b"\r\n\r\n")[2]) < len(VALUE):
                part = self.connection.recv(4096)
                if not part:
                    raise ConnectionError("gone")
                answer += part
            return answer.partition(b"\r\n\r\n")[2]


STUBBORN = Stubborn(UPSTREAM) if KIND == "stubborn" else None


def fresh() -> bytes:
    with urllib.request.urlopen(f"{UPSTREAM}/value", timeout=1) as answer:
        body: bytes = answer.read()
    return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves at once

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        status, body = 200, VALUE
        try:
            if STUBBORN is not None:
                body = STUBBORN.ask()
            elif UPSTREAM:
                body = fresh()
        except OSError as error:
            status, body = (200, b"price: 0") if KIND == "stale" else (503, json.dumps(str(error)).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
