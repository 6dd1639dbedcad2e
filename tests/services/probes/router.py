"""A router that sends a share of the users to a new backend: python router.py PORT [--percent 10] [--listed a,b] [--fault ...].

It decides by a hash of the user, so that more per cent add users and take none away. POST /percent/N changes the share. Faults:
`off` sends 5 points more than it says, `forgetful` decides anew after each restart, `turncoat` sends one user of two hundred, who was
treated at 10 % or less back when there are more, `unsteady` decides one user of fifty by each request, `failing` answers
one of a hundred with 503, `silent` does not say who answered one of a hundred. Every 1,000 answers it closes a connection.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import zlib


class Router:
    def __init__(self, percent: float, listed: frozenset[str], fault: str) -> None:
        self.percent, self.listed, self.fault = percent, listed, fault
        self.salt = os.urandom(4) if fault == "forgetful" else b""

    def backend(self, user: str) -> str:
        if user in self.listed:
            return "microservice"
        place = zlib.crc32(self.salt + user.encode()) % 10_000 / 100
        percent = self.percent + (5 if self.fault == "off" else 0)
        if self.fault == "turncoat" and place < 0.5 and self.percent > 10:
            return "monolith"
        if self.fault == "unsteady" and zlib.crc32(b"u" + user.encode()) % 50 == 0:
            return random.choice(("monolith", "microservice"))
        return "microservice" if place < percent else "monolith"

    def answer(self, head: str) -> tuple[bytes, bool]:
        line, *rest = head.split("\r\n")
        method, path, _ = line.split(" ")
        if path.startswith("/percent/"):
            self.percent = float(path.rpartition("/")[2])
            return self.said(200, "", "{}"), True
        headers = {n.lower(): v.strip() for n, _, v in (r.partition(":") for r in rest)}
        user = headers.get("x-user") or path.partition("?")[0].rpartition("/")[2]
        odd = zlib.crc32(b"odd" + user.encode()) % 100 == 0
        if self.fault == "failing" and odd:
            return self.said(503, "", "no"), True
        backend = "" if self.fault == "silent" and odd else self.backend(user)
        return self.said(200, backend, f'{{"served": {{"by": "{backend}"}}, "method": "{method}"}}'), True

    def said(self, status: int, backend: str, body: str) -> bytes:
        by = f"X-Served-By: {backend}\r\n" if backend else ""
        return f"HTTP/1.1 {status} OK\r\n{by}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Line(asyncio.Protocol):
    def __init__(self, router: Router) -> None:
        self.router, self.data, self.count = router, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            self.data = self.data[length:]
            self.transport.write(self.router.answer(head.decode())[0])
            self.count += 1
            if self.count % 1000 == 0:
                self.transport.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--percent", type=float, default=10)
    parser.add_argument("--listed", default="")
    parser.add_argument("--fault", default="")
    given = parser.parse_args()
    router = Router(given.percent, frozenset(filter(None, given.listed.split(","))), given.fault)
    server = await asyncio.get_running_loop().create_server(lambda: Line(router), "127.0.0.1", given.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
