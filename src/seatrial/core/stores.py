"""How a store is named in one text: an address or a file, and after # what of it.

postgres://user:password@host:5432/shop#table=public.listings        or ?table=, or #query=select ...
sqlite:///shop.db#table=listings, mysql+pymysql://...                what SQLAlchemy has
http://host/api/listings#records=data.items&next=links.next          or &page=page, a parameter that counts from 1
opensearch://host:9200/listings, elasticsearch+https://host/listings
listings.parquet, listings.csv#delimiter=;, listings.arrow

Behind `query=` everything up to the end is the query; other values may have %26 for &.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from .errors import UsageError
from .redaction import Redactor

POSTGRES = ("postgres", "postgresql")
SEARCH = ("opensearch", "elasticsearch")
FILES = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc")
_OPTIONS = {
    "postgres": ("table", "query"),
    "sql": ("table", "query"),
    "search": ("query",),
    "web": ("records", "next", "page"),
    "file": ("delimiter",),
}
_DIVERTING = (
    "host",
    "hostaddr",
    "service",
    "servicefile",
)  # parameters of libpq that lead elsewhere than the address says
_FORMS = "postgres://host/db#table=listings, sqlite:///shop.db#table=listings, http://host/items#records=data, listings.parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """One of them. `kind`: postgres, sql, search, web, file. `url` has its credentials, `label` has none; `hosts`: whom it is asked of."""

    kind: str
    url: str
    label: str
    hosts: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


def read_store(text: str, where: str = "") -> Store:
    """A store by its name. Raises UsageError."""
    address, _, fragment = text.strip().partition("#")
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    kind = kind_of(scheme)
    if scheme in ("", "file"):
        return _file(unquote(urlsplit(address).path) if scheme else address, _options(text, "file", fragment), where)
    try:
        parts = urlsplit(address)
        hosts = _hosts(parts.netloc)
    except ValueError as error:
        raise UsageError.simple(f"{_shown(address)} is no address: {error}", _FORMS) from None
    options = _options(text, kind, fragment)
    given = parse_qsl(parts.query, keep_blank_values=True)
    if kind in ("postgres", "sql"):
        options = {**{n: v for n, v in given if n in ("table", "query")}, **options}
        left = [(n, v) for n, v in given if n not in ("table", "query")]
        hosts += tuple(v.partition(":")[0] for n, v in left if n in _DIVERTING)
        parts = parts._replace(query=urlencode(left)) if len(left) < len(given) else parts
        if ("table" in options) == ("query" in options):
            raise UsageError.simple(
                f"{_shown(address)}: which table?", "end it with #table=listings, or #query=select ..."
            )
    if kind == "search":
        if len([p for p in parts.path.split("/") if p]) != 1:
            raise UsageError.simple(f"{_shown(address)}: which index?", "opensearch://127.0.0.1:9200/listings")
    elif kind == "web" and where:
        raise UsageError.simple(
            f"{_shown(address)}: an API has no `where`", "put the filter into its address: ?status=active"
        )
    if kind == "sql":
        hosts = tuple(filter(None, hosts))  # SQLite has none
    elif not all(hosts):
        raise UsageError.simple(f"{_shown(address)} names no host", _FORMS)
    spoken = ("https" if scheme.endswith("+https") else "http") if kind == "search" else ""
    return Store(
        kind=kind, url=_rebuilt(parts, spoken), label=_label(parts, options), hosts=hosts, options=options, where=where
    )


def kind_of(scheme: str) -> str:
    """What kind of store an address of a scheme is."""
    if scheme in POSTGRES:
        return "postgres"
    if scheme.partition("+")[0] in SEARCH:
        return "search"
    if scheme in ("http", "https"):
        return "web"
    return "sql" if scheme not in ("", "file") else "file"


def is_file_name(text: str) -> bool:
    """Whether a text without :// names a file."""
    return text.partition("#")[0].strip().lower().endswith(FILES)


def _file(path: str, options: Mapping[str, str], where: str) -> Store:
    if not is_file_name(path):
        raise UsageError.simple(
            f"{_shown(path) or 'nothing'} is neither an address nor a file",
            f"forms: {_FORMS}; files: {', '.join(FILES)}",
        )
    if where:
        raise UsageError.simple(f"{path}: a file has no `where`", "filter it before, or the other side alone")
    return Store(kind="file", url=path, label=path, options=options)


def _options(text: str, kind: str, fragment: str) -> dict[str, str]:
    """Those after #, up to `query=`, which takes the rest."""
    before, found, query = fragment.partition("query=") if kind != "web" else (fragment, "", "")
    pairs = [p.partition("=") for p in before.split("&") if p]
    known = _OPTIONS[kind]
    for name, _, _ in pairs:
        if name not in known:
            raise UsageError.simple(
                f"{_shown(text.partition('#')[0])}: {name} after # means nothing", f"there: {', '.join(known)}"
            )
    return {n: unquote(v) for n, _, v in pairs} | ({"query": query} if found else {})


def _hosts(netloc: str) -> tuple[str, ...]:
    """Of user:password@host:port, or several of them with commas."""
    places = netloc.rpartition("@")[2].split(",")
    return tuple(p[1:].partition("]")[0] if p.startswith("[") else p.partition(":")[0].lower() for p in places)


def _rebuilt(parts: SplitResult, scheme: str = "") -> str:
    """An address from its parts; sqlite:////file keeps its empty authority, which urlunsplit would drop."""
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme or parts.scheme}://{parts.netloc}{parts.path}{query}"


def _label(parts: SplitResult, options: Mapping[str, str]) -> str:
    """Without user, password, and secrets among its parameters."""
    url = _rebuilt(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
    what = options.get("table") or ("(query)" if "query" in options else "")
    return f"{url}#{what}" if what else url


def _shown(address: str) -> str:
    head, sep, tail = address.partition("://")
    authority, slash, rest = tail.partition("/")
    return Redactor().text(f"{head}{sep}{authority.rpartition('@')[2]}{slash}{rest}")
