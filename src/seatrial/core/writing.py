"""Whether a call changes something where it goes, as far as its text tells: one that might, does."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .templates import Template

_READS = re.compile(r"\s*(select|show|explain|values|table)\b", re.IGNORECASE)
_LOCKS = re.compile(
    r"\bfor\s+(update|share|no\s+key|key\s+share)\b|\binto\b|\b(nextval|setval|pg_\w*(lock|terminate|cancel)\w*)\s*\(",
    re.IGNORECASE,
)
_REDIS_READS = re.compile(
    r"(m?get|getrange|strlen|exists|type|p?ttl|keys|scan|hget(all)?|hmget|hlen|hkeys|hvals|hexists|lrange|llen|lindex|scard|smembers|"
    r"sismember|zrange|zcard|zscore|zrank|xlen|xrange|info|role|ping|dbsize|time|lastsave|memory|object|sentinel|cluster)",
    re.IGNORECASE,
)


def text_of(what: object) -> str:
    """A main argument as text, up to what is filled in later."""
    if isinstance(what, Template):
        first = what.pieces[0] if what.pieces else ""
        return first if isinstance(first, str) else ""
    return what if isinstance(what, str) else ""


def http_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """By its method."""
    del arguments
    method, blank, _ = text_of(what).strip().partition(" ")
    return bool(blank) and method.isalpha() and method.upper() not in ("GET", "HEAD", "OPTIONS")


def sql_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """All but plain selections; a function may write, if it is called so."""
    text = text_of(what)
    return not arguments.get("read-only") and (_READS.match(text) is None or _LOCKS.search(text) is not None)


def redis_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """By its command."""
    del arguments
    return _REDIS_READS.fullmatch(text_of(what).strip().partition(" ")[0]) is None


def grpc_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """By its method's name: health, and what gets, lists, finds, counts or watches."""
    del arguments
    method = text_of(what).rpartition("/")[2]
    return re.match(r"(Check|Get|List|Find|Count|Read|Watch|Search|Describe|Query)([A-Z]|$)", method) is None


def always_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """It may do anything."""
    del what, arguments
    return True


def split_writes(what: object, arguments: Mapping[str, object]) -> bool:
    """Of a call over HTTP or gRPC."""
    text = text_of(what)
    over_http = " " in text.strip() or text.startswith("/")
    return http_writes(what, arguments) if over_http else grpc_writes(what, arguments)
