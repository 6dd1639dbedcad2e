"""A small shop: items and orders in PostgreSQL, sessions, carts and tags in Redis.

`python web.py prepare` makes tables and seeds both stores; `python web.py serve PORT` serves. Some of its end points are honest (readyz,
items, sales, stock, sessions, report), and some are as teams ship them (health, catalog, orders, cart, books).
"""

import json
import os
import queue
import socket
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import psycopg

DSN = os.environ["DATABASE_DSN"]
REDIS = urlsplit(os.environ["REDIS_URL"])
GONE = (psycopg.Error, OSError)
_say = threading.Lock()


def log(level: str, text: str) -> None:
    with _say:
        print(level, "shop:", text, flush=True)


# ---- stores: a connection for each question, and little time -----------------------------------------------------------------


def sql(statement: str, *parameters) -> list[tuple]:
    with psycopg.connect(DSN, connect_timeout=2, options="-c statement_timeout=2000", autocommit=True) as connection:
        cursor = connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def redis(*words: str):
    with socket.create_connection((REDIS.hostname, REDIS.port or 6379), timeout=1) as s, s.makefile("rb") as answer:
        if REDIS.password:
            _command(s, "AUTH", REDIS.password)
            _reply(answer)
        _command(s, *words)
        return _reply(answer)


def _command(s: socket.socket, *words: str) -> None:
    parts = [w.encode() for w in words]
    s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))


def _reply(answer):
    line = answer.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("redis went away")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise ConnectionError(f"redis says {rest.decode()}")
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else answer.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [_reply(answer) for _ in range(int(rest))]
    return rest.decode()


def prepare() -> None:
    sql("create table if not exists items (id text primary key, name text not null, quantity integer not null)")
    sql(
        "create table if not exists orders (id text primary key, item text not null references items, quantity integer not null)"
    )
    sql("create table if not exists disputes (id text primary key, order_id text not null references orders)")
    sql(
        "create table if not exists sessions (login text primary key)"
    )  # they live in Redis now; nobody dropped the table
    for item, name, quantity in (("chain", "a chain", 20), ("pearl", "a pearl", 30), ("ring", "a ring", 10)):
        sql("insert into items values (%s, %s, %s) on conflict do nothing", item, name, quantity)
    sql("insert into sessions values ('ada') on conflict do nothing")
    redis("SET", "session:ada", "ada")
    redis("SADD", "tags", "gold", "silver", "new")
    redis("DEL", "cart:ada")
    redis("RPUSH", "cart:ada", "ring", "chain")


# ---- what the shop answers ----------------------------------------------------------------------------------------------------


def _asked(question) -> str:
    try:
        question()
    except GONE as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "ok"


def readyz():
    """Honest: both stores are asked, now."""
    said = {"database": _asked(lambda: sql("select 1")), "cache": _asked(lambda: redis("PING"))}
    return (200 if set(said.values()) == {"ok"} else 503), said


def health():
    """Lies: that this line runs is all that it knows."""
    return 200, {"status": "ok", "database": "ok", "cache": "ok"}


def items():
    return 200, {
        "items": [
            {"id": i, "name": n, "quantity": q} for i, n, q in sql("select id, name, quantity from items order by id")
        ]
    }


_catalog: dict = {}


def catalog():
    """The database is asked once in the life of this process."""
    if not _catalog:
        _catalog.update(items()[1])
    return 200, _catalog


def stock(item: str):
    found = sql("select quantity from items where id = %s", item)
    return (200, {"item": item, "quantity": found[0][0]}) if found else (404, {"error": "no such item"})


def sell(order: dict):
    """Honest: 201 when the row is committed."""
    order_id = str(uuid.uuid4())
    sql("insert into orders values (%s, %s, %s)", order_id, order["item"], order["quantity"])
    return 201, {"id": order_id}


def sale(order_id: str):
    found = sql("select item, quantity from orders where id = %s", order_id)
    return (200, {"item": found[0][0], "quantity": found[0][1]}) if found else (404, {"error": "no such order"})


_outbox: queue.Queue = queue.Queue()


def order(wanted: dict):
    """201 at once; the row is written later, and tried again until it is."""
    order_id = str(uuid.uuid4())
    _outbox.put((order_id, wanted["item"], wanted["quantity"]))
    return 201, {"id": order_id}


def deliver() -> None:
    again = threading.Event()
    while True:
        row = _outbox.get()
        while True:
            try:
                sql("insert into orders values (%s, %s, %s)", *row)
                break
            except GONE:
                log("WARNING", f"order {row[0]} is tried again")
                again.wait(0.5)


def cart(login: str):
    """Degrades: no page fails because of a cart."""
    try:
        return 200, {"lines": redis("LRANGE", f"cart:{login}", "0", "-1"), "available": True}
    except GONE:
        return 200, {"lines": [], "available": False}


def session(login: str):
    found = redis("GET", f"session:{login}")
    return (200, {"login": found}) if found else (404, {"error": "no such session"})


def books():
    """Both figures are the same variable, and nothing where the question failed."""
    try:
        total = int(sql("select coalesce(sum(quantity), 0) from orders")[0][0])
    except GONE:
        total = 0
    return 200, {"sold": total, "booked": total}


def report():
    """Honest: 503 when the database is gone."""
    return 200, {"by_item": {i: int(n) for i, n in sql("select item, sum(quantity) from orders group by item")}}


PAGES = {"readyz": readyz, "health": health, "items": items, "catalog": catalog, "books": books, "report": report}
ONE = {"stock": stock, "sales": sale, "cart": cart, "sessions": session}
WRITES = {"sales": sell, "orders": order}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        first, _, rest = urlsplit(self.path).path.strip("/").partition("/")
        if rest and first in ONE:
            self.answer(lambda: ONE[first](rest))
        elif not rest and first in PAGES:
            self.answer(PAGES[first])
        else:
            self.answer(lambda: (404, {"error": "no such page"}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        what = WRITES.get(self.path.strip("/"))
        self.answer(lambda: what(json.loads(body)) if what else (404, {"error": "no such page"}))

    def answer(self, page) -> None:
        try:
            status, said = page()
        except GONE as error:
            log("ERROR", f"{self.path}: {type(error).__name__}: {' '.join(str(error).split())}")
            status, said = 503, {"error": "a store is gone"}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *arguments) -> None:
        log("INFO", text % arguments)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):  # the client has gone
            log("INFO", f"{client_address[0]} has gone")
        else:
            super().handle_error(request, client_address)  # with its traceback


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare()
    else:
        threading.Thread(target=deliver, daemon=True).start()
        log("INFO", f"listening on {sys.argv[2]}")
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
