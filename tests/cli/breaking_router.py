"""A router in front of a service: GETs are tried three times with back-off, and a circuit breaker opens after some failures in a row.

python breaking_router.py PORT SERVICE-ADDRESS [after=5] [open=2] [writes=1]
"""

import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, SERVICE = int(sys.argv[1]), sys.argv[2]
GIVEN = dict(word.split("=") for word in sys.argv[3:])
AFTER, OPEN_S, WRITES = int(GIVEN.get("after", 5)), float(GIVEN.get("open", 2)), int(GIVEN.get("writes", 1))


class Breaker:
    """Closed, open for a time, then half-open until two successes in a row."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.failures, self.successes, self.until, self.half = 0, 0, 0.0, False

    def lets_through(self) -> bool:
        with self.lock:
            if self.until and time.monotonic() >= self.until:
                self.until, self.half, self.successes = 0.0, True, 0
            return not self.until

    def heard(self, *, good: bool) -> None:
        with self.lock:
            self.failures = 0 if good else self.failures + 1
            self.successes += good
            if self.half and self.successes >= 2:
                self.half = False
            if (self.half and not good) or self.failures >= AFTER:
                self.until, self.half, self.failures = time.monotonic() + OPEN_S, False, 0


BREAKER = Breaker()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves at once

    def log_message(self, *_: object) -> None: ...

    def route(self) -> None:
        if self.path == "/ready":
            self.say("router")
            return
        good = False
        if BREAKER.lets_through():
            for number in range(3 if self.command == "GET" and not BREAKER.half else WRITES):
                if number:
                    time.sleep(0.05 * 2 ** (number - 1))
                if good := self.ask():
                    break
            BREAKER.heard(good=good)
        self.say("microservice" if good else "monolith")

    do_GET = do_POST = route  # noqa: N815 - names that http.server looks for

    def ask(self) -> bool:
        connection = http.client.HTTPConnection(SERVICE, timeout=0.5)
        try:
            connection.request(self.command, self.path)
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def say(self, who: str) -> None:
        body = json.dumps({"by": who}).encode()
        self.send_response(200)
        self.send_header("X-Served-By", who)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
