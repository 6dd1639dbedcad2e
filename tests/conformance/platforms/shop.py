"""A tiny service: answers GET /ready and /pid, starts a child of its own, and may insist on another service.

usage: shop.py PORT [URL that must answer before it starts]
"""

import http.server
import os
import subprocess
import sys
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(os.getpid()).encode()
        self.send_response(200 if self.path in ("/ready", "/pid") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if len(sys.argv) > 2:
    with urllib.request.urlopen(sys.argv[2] + "/ready", timeout=2) as answer:
        print("found", sys.argv[2], answer.status, flush=True)
subprocess.Popen(["sleep", "1000"])
print("shop listens on", sys.argv[1], "as", os.environ.get("WHO"), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
