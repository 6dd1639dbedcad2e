"""Two stores in one process: what the first takes is in the second a while later, or never.

python following_stores.py PORT LAG-IN-SECONDS [loses]
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, LAG, LOSES = int(sys.argv[1]), float(sys.argv[2]), "loses" in sys.argv
SECOND: dict[str, str] = {}
WRITES: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves at once

    def log_message(self, *_: object) -> None: ...

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        WRITES.append(self.key)
        if not (LOSES and len(WRITES) % 4 == 0):
            threading.Timer(LAG, SECOND.__setitem__, (self.key, body)).start()
        self.say(201 if body else 400, {})

    def do_DELETE(self) -> None:
        threading.Timer(LAG, SECOND.pop, (self.key, None)).start()
        self.say(204, None)

    def do_GET(self) -> None:
        found = SECOND.get(self.key)
        self.say(404 if found is None else 200, {"value": found})

    @property
    def key(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    def say(self, status: int, content: object) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
