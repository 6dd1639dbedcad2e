"""Other stores: SQLite, JSON APIs with pages, search engines, files."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from compare_support import counts, stores

from seatrial.compare.layout import Options
from seatrial.compare.results import SourceError
from seatrial.core.errors import UsageError

BY_ID = Options(keys=("id",))
RECORDS = [{"id": n, "title": f"ring {n}", "price": n / 4, "live": n % 2 == 0, "tags": ["a", n]} for n in range(1, 48)]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A SQLite database with the same rows as RECORDS."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table items (id integer primary key, title text, price real, live boolean, tags text)"
        )
        rows = [(r["id"], r["title"], r["price"], r["live"], f'["a",{r["id"]}]') for r in RECORDS]
        connection.executemany("insert into items values (?, ?, ?, ?, ?)", rows)
    connection.close()
    return path


@pytest.fixture
def items(shop: Path) -> str:
    return f"sqlite:///{shop}#table=items"


# -- SQLAlchemy


def test_sqlite_beside_itself_and_its_primary_key(items: str, shop: Path) -> None:
    assert stores(items, f"sqlite:///{shop}#query=select * from items", Options()).words == "none"
    found = stores(items, f"sqlite:///{shop}#query=select * from items where id != 7", Options())
    assert counts(found) == (46, 1, 0, 0)
    assert found.first[0].a == {"id": "7", "title": "ring 7", "price": "1.75", "live": "0", "tags": '["a",7]'}


def test_sqlite_beside_postgresql_has_no_types_and_is_equal(items: str, database) -> None:
    store = database.table(
        "items", "id bigint primary key, title varchar(40), price numeric(10, 3), live bool, tags jsonb"
    )
    database.run(
        "insert into items select i, 'ring ' || i, i / 4.0, i % 2 = 0, jsonb_build_array('a', i) from generate_series(1, 47) i"
    )
    assert stores(items, store, Options()).words == "none"
    assert stores(store, items, Options()).words == "none"
    database.run("update items set tags = '[\"b\"]' where id = 9")
    found = stores(store, items, Options())
    assert [(d.key["id"], c.column, c.kind) for d in found.first for c in d.cells] == [("9", "tags", "json")]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda s: s.replace("table=items", "table=items_2"), "absent"),
        (lambda s: s.replace("shop.db", "none.db"), "absent"),
    ],
)
def test_a_table_or_a_file_that_is_absent_is_not_empty(items: str, change, word: str) -> None:
    with pytest.raises(SourceError) as raised:
        stores(items, change(items), BY_ID)
    assert raised.value.word == word


def test_a_database_that_sqlalchemy_does_not_know_is_said_without_its_password(items: str) -> None:
    with pytest.raises(UsageError) as raised:
        stores(items, "nosuchdb://u:secretpw@127.0.0.1/x#table=t", BY_ID)
    assert "secretpw" not in str(raised.value)


# -- JSON APIs


def paged(link: str) -> Any:
    """An API with pages of 10: by links, or by numbers."""

    def respond(_method: str, path: str, query: dict[str, str], _body: object) -> tuple[int, Any]:
        page = int(query.get("page", 1))
        chosen = RECORDS[(page - 1) * 10 : page * 10]
        following = f"/items?page={page + 1}" if page * 10 < len(RECORDS) else None
        return 200, {"data": {"items": chosen}, "links": {"next": following if link == "next" else None}}

    return respond


@pytest.mark.parametrize("paging", ["next=links.next", "page=page"])
def test_an_api_is_read_page_by_page(items: str, serve, paging: str) -> None:
    server = serve(paged(paging.partition("=")[0]))
    address = f"http://{server.place}/items#records=data.items&{paging}"
    assert stores(items, address, Options()).words == "none"
    assert len(server.asked) == (5 if paging.startswith("next") else 6)
    assert stores(address, address, BY_ID).words == "none"


def test_an_api_that_has_more_than_is_read_cannot_be_told(items: str, serve) -> None:
    server = serve(lambda *_: (200, {"results": RECORDS[:10], "next": "/items?page=2"}))
    with pytest.raises(SourceError, match="there is a next page"):
        stores(items, f"http://{server.place}/items#records=results", BY_ID)


def test_numbers_of_an_api_are_exact(serve, tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"id": [1], "n": [9007199254740993]}), tmp_path / "a.parquet")
    server = serve(lambda *_: (200, [{"id": 1, "n": 9007199254740993}]))
    assert stores(str(tmp_path / "a.parquet"), f"http://{server.place}/", BY_ID).words == "none"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((404, {}), "absent"),
        ((401, {}), "credentials"),
        ((503, {}), "status"),
        ((302, {}), "status"),
        ((200, {"items": RECORDS}), "protocol"),
        ((200, [1, 2]), "protocol"),
        ((200, []), "absent"),
        ((200, {"data": RECORDS, "next": "/"}), "protocol"),
        ((200, {"data": RECORDS, "next": "http://203.0.113.1/items"}), "not-exercised"),
    ],
)
def test_an_api_that_answers_something_else(items: str, serve, answer: tuple[int, Any], word: str) -> None:
    server = serve(lambda *_: answer)
    form = "#records=data&next=next" if isinstance(answer[1], dict) and "data" in answer[1] else ""
    with pytest.raises(SourceError) as raised:
        stores(items, f"http://{server.place}/{form}", BY_ID)
    assert raised.value.word == word
    if "items" in answer[1]:
        assert "records=items" in raised.value.message


# -- search engines


class Index:
    """Answers as OpenSearch does: a scroll over documents, two at a time."""

    def __init__(self, documents: list[dict[str, Any]], failed: int = 0) -> None:
        self.documents, self.failed, self.at, self.open = documents, failed, 0, False
        self.query: Any = None

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "/absent/_search":
            return 404, {"error": {"type": "index_not_found_exception"}}
        if method == "DELETE":
            self.open = False
            return 200, {}
        if path == "/items/_search":
            self.at, self.open, self.query = 0, True, body["query"]
        hits = [{"_id": str(d["id"]), "_source": d} for d in self.documents[self.at : self.at + 20]]
        self.at += 20
        return 200, {"_scroll_id": "s1", "_shards": {"failed": self.failed}, "hits": {"hits": hits}}


def test_an_index_is_read_to_its_end_and_its_scroll_is_closed(items: str, serve) -> None:
    index = Index(RECORDS)
    server = serve(index)
    found = stores(items, f"opensearch://{server.place}/items", Options(keys=("id",)))
    assert found.words == "none"
    assert found.b.only_columns == ("_id",)
    assert not index.open
    index.documents = RECORDS[1:]
    assert counts(stores(items, f"opensearch://{server.place}/items", BY_ID)) == (46, 1, 0, 0)


def test_an_index_may_be_empty_and_then_all_is_missing(items: str, serve) -> None:
    server = serve(Index([]))
    options = Options(keys=("id",), mapping={"id": "_id"})
    assert counts(stores(items, f"opensearch://{server.place}/items", options)) == (0, 47, 0, 0)


@pytest.mark.parametrize(
    ("index", "path", "word"), [(Index(RECORDS), "absent", "absent"), (Index(RECORDS, failed=1), "items", "partial")]
)
def test_an_index_that_is_absent_or_partial_cannot_be_told(
    items: str, serve, index: Index, path: str, word: str
) -> None:
    server = serve(index)
    with pytest.raises(SourceError) as raised:
        stores(items, f"opensearch://{server.place}/{path}", BY_ID)
    assert raised.value.word == word


def test_a_search_engine_that_is_down_cannot_be_told(items: str) -> None:
    with pytest.raises(SourceError) as raised:
        stores(items, "opensearch://u:secretpw@127.0.0.1:1/items", BY_ID)
    assert raised.value.word == "refused"
    assert "secretpw" not in raised.value.message


# -- files


def test_csv_tells_null_from_an_empty_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id;v\n1;""\n2;\n3;"a;b\nc"\n')
    (tmp_path / "b.tsv").write_text('id\tv\n1\t\n2\t\n3\t"a;b\nc"\n')
    found = stores("a.csv#delimiter=;", "b.tsv", BY_ID, tmp_path)
    assert [(d.key["id"], d.cells[0].a, d.cells[0].b) for d in found.first] == [("1", "", None)]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.csv", b"id,v\n1\n", "protocol"),
        ("a.csv", b"", "protocol"),
        ("a.csv", b"id,id\n1,2\n", "protocol"),
        ("a.csv", b"id\n\xff\n", "protocol"),
        ("a.parquet", b"nonsense", "protocol"),
        ("a.arrow", b"nonsense", "protocol"),
        ("none.csv", None, "absent"),
    ],
)
def test_a_file_that_cannot_be_read_cannot_be_told(
    items: str, tmp_path: Path, name: str, content: bytes | None, word: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as raised:
        stores(items, name, BY_ID, tmp_path)
    assert raised.value.word == word
