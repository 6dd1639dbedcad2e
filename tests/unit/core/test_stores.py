"""How a store is named in one text."""

from __future__ import annotations

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.stores import is_file_name, read_store


@pytest.mark.parametrize(
    ("text", "kind", "url", "label", "options"),
    [
        (
            "postgres://app:pw@db:5432/shop#table=public.listings", "postgres", "postgres://app:pw@db:5432/shop",
            "postgres://db:5432/shop#public.listings", {"table": "public.listings"},
        ),
        (
            "postgresql://db/shop?table=a&sslmode=require", "postgres", "postgresql://db/shop?sslmode=require", "postgresql://db/shop#a",
            {"table": "a"},
        ),
        (
            "postgres://db/shop#query=select a, b from t where x = '1&2' and y != '#'", "postgres", "postgres://db/shop",
            "postgres://db/shop#(query)", {"query": "select a, b from t where x = '1&2' and y != '#'"},
        ),
        ("sqlite:///shop.db#table=items", "sql", "sqlite:///shop.db", "sqlite:///shop.db#items", {"table": "items"}),
        ("sqlite:////tmp/shop.db#table=items", "sql", "sqlite:////tmp/shop.db", "sqlite:////tmp/shop.db#items", {"table": "items"}),
        ("mysql+pymysql://u:p@h/d#table=t", "sql", "mysql+pymysql://u:p@h/d", "mysql+pymysql://h/d#t", {"table": "t"}),
        (
            "http://h/items?status=active&table=x#records=data.items&next=links.next", "web", "http://h/items?status=active&table=x",
            "http://h/items", {"records": "data.items", "next": "links.next"},
        ),
        ("opensearch://h:9200/listings", "search", "http://h:9200/listings", "opensearch://h:9200/listings", {}),
        ("elasticsearch+https://u:p@h/i", "search", "https://u:p@h/i", "elasticsearch+https://h/i", {}),
        ("a.parquet", "file", "a.parquet", "a.parquet", {}),
        ("file:///tmp/a%20b.csv#delimiter=%26", "file", "/tmp/a b.csv", "/tmp/a b.csv", {"delimiter": "&"}),
    ],
)  # fmt: skip
def test_a_store_is_an_address_or_a_file(text: str, kind: str, url: str, label: str, options: dict[str, str]) -> None:
    found = read_store(text)
    assert (found.kind, found.url, found.label, dict(found.options)) == (kind, url, label, options)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgres://u:p@one:1,two:2/d#table=t", ("one", "two")),
        ("postgres://127.0.0.1/d?host=prod.example#table=t", ("127.0.0.1", "prod.example")),
        ("postgres://[::1]:5432/d#table=t", ("::1",)),
        ("http://API.example/x", ("api.example",)),
        ("a.csv", ()),
    ],
)
def test_every_host_that_it_may_lead_to_is_known(text: str, hosts: tuple[str, ...]) -> None:
    assert read_store(text).hosts == hosts


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("postgres://db/shop", "which table"),
        ("postgres://db/shop#table=a&query=select 1", "which table"),
        ("postgres://u:secretpw@db/shop#tabel=a", "tabel after # means nothing"),
        ("postgres:///shop#table=a", "names no host"),
        ("postgres://,db/shop#table=a", "names no host"),
        ("opensearch://h:9200/", "which index"),
        ("listings", "neither an address nor a file"),
        ("http://[::1/x", "no address"),
        ("a.csv#sep=;", "sep after # means nothing"),
    ],
)
def test_what_names_nothing_is_refused_and_no_password_is_shown(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as raised:
        read_store(text)
    assert "secretpw" not in str(raised.value)


@pytest.mark.parametrize("text", ["http://h/items", "a.csv"])
def test_a_filter_is_for_what_can_filter(text: str) -> None:
    with pytest.raises(UsageError, match="`where`"):
        read_store(text, "status = 'active'")


def test_files_are_known_by_their_ends() -> None:
    assert is_file_name("a/B.PARQUET#x")
    assert not is_file_name("public.listings")
