"""A process of a namespace: TCP that sends back lines (8080), UDP that sends back datagrams (8081), a name server that knows nobody (53).

usage: answering.py [--names]
"""

import contextlib
import socket
import socketserver
import sys
import threading


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def same(data):
    return data


def nobody(data):
    return data[:2] + b"\x81\x83" + data[4:]  # an answer: there is no such name (RFC 1035)


def answer(port, words):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    sock.bind(("::", port))

    def work():
        while True:
            data, whom = sock.recvfrom(4096)
            with contextlib.suppress(OSError):
                sock.sendto(words(data), whom)

    threading.Thread(target=work, daemon=True).start()


class Tcp(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


threading.Thread(target=Tcp(("::", 8080), Lines).serve_forever, daemon=True).start()
answer(8081, same)
if "--names" in sys.argv:
    answer(53, nobody)
print("ready", flush=True)
threading.Event().wait()
