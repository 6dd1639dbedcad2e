"""A tiny service: answers GET with its pid. It stops slowly when asked to, and has a child of its own.

usage: server.py PORT [SECONDS that it takes to stop]
"""

import http.server
import os
import signal
import subprocess
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def stop(*_):
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
subprocess.Popen(["sleep", "1000"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
