"""Records of a JSON API over HTTP, page by page: by a link to the next page, or by a parameter that counts."""

from __future__ import annotations

import decimal
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from ..results import SourceError
from ..tables import Stop
from .spooled import Page, Spooled, columns_of

PATIENCE_S = 30.0  # of one page
_PAGES = 1_000_000


class WebSource(Spooled):
    """tables.Source. `records`: path of the list in the answer ("data.items", "" is the answer itself), `next_`: path of the next page's
    address, `page`: the parameter that counts pages from 1, until one is empty.

    Another host is never followed to: what is allowed is the address that was given.
    """

    def __init__(
        self,
        url: str,
        label: str,
        stop: Stop,
        *,
        records: str = "",
        next_: str = "",
        page: str = "",
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(label, stop)
        self._url, self._records, self._next, self._page = url, records, next_, page
        self._client = httpx.Client(timeout=PATIENCE_S, headers={"accept": "application/json", **headers})

    def pages(self) -> Iterator[Page]:
        """Spooled."""
        url: httpx.URL | None = httpx.URL(self._url)
        first, seen, number = httpx.URL(self._url), set[str](), 1
        while url is not None:
            asked = url.copy_merge_params({self._page: str(number)}) if self._page else url
            if str(asked) in seen or len(seen) > _PAGES:
                raise SourceError("protocol", f"{self.label}: page {len(seen)} leads back to one before it")
            seen.add(str(asked))
            self._stop.check()
            answer = ask(self._client, self.label, "GET", asked)
            records = self._list(answer)
            if records:
                yield columns_of(records)
            number += 1
            url = self._following(answer, asked, first, more=bool(records))

    def close(self) -> None:
        """Spooled."""
        super().close()
        self._client.close()

    def _list(self, answer: Any) -> list[Mapping[str, Any]]:
        found = at_path(answer, self._records)
        if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
            lists = [n for n, v in answer.items() if isinstance(v, list)] if isinstance(answer, dict) else []
            hint = f"; lists in it: {', '.join(lists)} (records={lists[0]})" if lists else ""
            raise SourceError("protocol", f"{self.label}: {self._records or 'the answer'} is no list of records{hint}")
        return found

    def _following(self, answer: Any, here: httpx.URL, first: httpx.URL, *, more: bool) -> httpx.URL | None:
        if self._page:
            return first if more else None
        link = at_path(answer, self._next) if self._next else None
        if not self._next and isinstance(answer, dict) and answer.get("next"):
            raise SourceError(
                "partial", f"{self.label}: there is a next page; end the address with #next=next to follow it"
            )
        if not link:
            return None
        url = here.join(str(link))
        if (url.host, url.port, url.scheme) != (first.host, first.port, first.scheme):
            raise SourceError("not-exercised", f"{self.label}: the next page is on another host, {url.host}")
        return url


def ask(client: httpx.Client, label: str, method: str, url: httpx.URL | str, content: Any = None) -> Any:
    """The JSON of an answer, numbers exact. Raises SourceError."""
    try:
        answer = client.request(method, url, json=content)
    except httpx.ConnectError as error:
        raise SourceError("refused", f"{label}: {error}") from None
    except httpx.TimeoutException:
        raise SourceError("timeout", f"{label}: no answer in {PATIENCE_S:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError("protocol", f"{label}: {error}") from None
    if answer.status_code >= 300:
        word = {404: "absent", 401: "credentials", 403: "credentials"}.get(answer.status_code, "status")
        raise SourceError(word, f"{label}: status {answer.status_code} {answer.text[:120]}".strip())
    try:
        return json.loads(answer.text, parse_float=decimal.Decimal)
    except ValueError:
        raise SourceError("protocol", f"{label}: the answer is no JSON: {answer.text[:60]!r}") from None


def at_path(value: Any, path: str) -> Any:
    """What is at a dotted path; None where it leads nowhere."""
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value
