"""From a store's name to a source of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ..core.errors import UsageError
from ..core.stores import Store
from .results import no_client
from .tables import Source, Stop


def open_source(store: Store, stop: Stop, headers: Mapping[str, str], directory: Path) -> Source:
    """Connect to a store. `headers` go with every request over HTTP; paths of files begin in `directory`.

    Raises SourceError where it cannot be reached, or its client library is not here.
    """
    options = store.options
    rows = {
        "table": options.get("table", ""),
        "query": options.get("query", ""),
        "where": store.where,
    }  # as SQL has them
    try:
        match store.kind:
            case "postgres":
                from .sources.postgres import PostgresSource

                return PostgresSource(store.url, store.label, stop, **rows)
            case "sql":
                from .sources.sql import SqlSource

                return SqlSource(store.url, store.label, stop, **rows)
            case "web":
                from .sources.web import WebSource

                return WebSource(
                    store.url, store.label, stop, records=options.get("records", ""), next_=options.get("next", ""),
                    page=options.get("page", ""), headers=headers,
                )  # fmt: skip
            case "search":
                from .sources.search import SearchSource

                return SearchSource(
                    _root(store.url), store.label, stop, index=urlsplit(store.url).path.strip("/"), where=store.where,
                    query=_json(options.get("query")), headers=headers,
                )  # fmt: skip
            case _:
                from .sources.files import FileSource

                return FileSource(directory / store.url, store.label, stop, delimiter=options.get("delimiter", ""))
    except ImportError as error:
        raise no_client(error) from None


def _root(url: str) -> str:
    return urlsplit(url)._replace(path="", query="", fragment="").geturl()


def _json(text: str | None) -> object:
    import json

    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError.simple(
            f"the query of an index is JSON: {error}", 'for example #query={"term": {"active": true}}'
        ) from None
