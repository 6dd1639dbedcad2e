"""An index of OpenSearch or Elasticsearch: its documents, their id as `_id` beside them.

By scrolling: a scroll holds its state of the index still and misses nothing. search_after needs an order without ties, which OpenSearch
before 3.3 has only where a unique field is sorted by, and a key is what may turn out not to be unique here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from ..results import SourceError
from ..tables import Stop
from .spooled import Page, Spooled, columns_of
from .web import PATIENCE_S, ask

_PAGE = 2000
_KEEP = "1m"


class SearchSource(Spooled):
    """tables.Source. `where`: a query string in Lucene's syntax, or `query` in JSON."""

    snapshot = "scroll"

    def __init__(
        self,
        url: str,
        label: str,
        stop: Stop,
        *,
        index: str,
        where: str = "",
        query: Any = None,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(label, stop)
        self._root, self._index = url.rstrip("/"), index
        self._query = query or ({"query_string": {"query": where}} if where else {"match_all": {}})
        self._client = httpx.Client(timeout=PATIENCE_S, headers=dict(headers))

    def primary_key(self) -> tuple[str, ...]:
        """Spooled."""
        return ("_id",)

    def pages(self) -> Iterator[Page]:
        """Spooled."""
        asked = {"size": _PAGE, "sort": ["_doc"], "query": self._query}
        answer = self._ask("POST", f"/{quote(self._index)}/_search?scroll={_KEEP}", asked)
        scroll = ""
        try:
            while True:
                scroll = str(answer.get("_scroll_id") or scroll)
                failed = int((answer.get("_shards") or {}).get("failed") or 0)
                if failed or answer.get("timed_out"):
                    raise SourceError(
                        "partial", f"{self.label}: {failed} shards gave nothing: what they hold is not known"
                    )
                hits = (answer.get("hits") or {}).get("hits")
                if not isinstance(hits, list):
                    raise SourceError("protocol", f"{self.label}: the answer has no hits")
                if not hits:
                    self.know(["_id"])
                    return
                yield columns_of([{"_id": h.get("_id"), **(h.get("_source") or {})} for h in hits])
                self._stop.check()
                answer = self._ask("POST", "/_search/scroll", {"scroll": _KEEP, "scroll_id": scroll})
        finally:
            if scroll:
                with contextlib.suppress(SourceError):
                    self._ask("DELETE", "/_search/scroll", {"scroll_id": scroll})

    def close(self) -> None:
        """Spooled."""
        super().close()
        self._client.close()

    def _ask(self, method: str, path: str, content: Any) -> Any:
        return ask(self._client, self.label, method, f"{self._root}{path}", content)
