"""Redis: found through its sentinels, and found again after a failover."""

import time

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

_known: dict = {}
_once = Retry(NoBackoff(), 0)  # the client's own ten retries would hold a thread for seconds
_patience = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": _once}

# Stock only falls; whoever writes late must not overwrite a newer figure with an older one.
_LOWER = """
local known = tonumber(redis.call('get', KEYS[1]))
if not known or known > tonumber(ARGV[1]) then redis.call('set', KEYS[1], ARGV[1], 'ex', ARGV[2]) end
"""
_KEEP_SECONDS = 60
_PAUSE_SECONDS = 1.0


class CacheGone(Exception):
    """Redis did not do what it was asked."""


def client() -> redis.Redis:
    """The master's client; asked anew when the last one failed."""
    found = _known.get("client")
    if found is None:
        if settings.REDIS_SENTINELS:
            addresses = [(host, int(port)) for host, port in settings.REDIS_SENTINELS]
            sentinel = Sentinel(addresses, sentinel_kwargs=_patience)
            found = sentinel.master_for(settings.REDIS_MASTER, decode_responses=True, **_patience)
        else:
            found = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, **_patience)
        _known["client"] = found
    return found


def ask(what):
    """Call with a client; whatever goes wrong is CacheGone, and the next call looks for the master again."""
    try:
        return what(client())
    except (redis.RedisError, OSError) as error:
        _known.pop("client", None)
        raise CacheGone(f"{type(error).__name__}: {error}") from error


def stock_key(item_id) -> str:
    """Where an item's stock is kept."""
    return f"stock:{item_id}"


def note_stock(item_id, quantity: int) -> None:
    """What is left after a sale. A cache that is gone holds up no sale: one of them tries again each second."""
    paused = _known.get("paused")
    if paused is not None:
        if time.monotonic() < paused:
            return
        _known["paused"] = time.monotonic() + _PAUSE_SECONDS
    try:
        ask(lambda r: r.eval(_LOWER, 1, stock_key(item_id), quantity, _KEEP_SECONDS))
        _known.pop("paused", None)
    except CacheGone:
        _known["paused"] = time.monotonic() + _PAUSE_SECONDS


def stock(item) -> int:
    """The cached figure; filled from the database on a miss."""
    key = stock_key(item.id)
    cached = ask(lambda r: r.get(key))
    if cached is None:
        ask(lambda r: r.set(key, item.quantity, ex=_KEEP_SECONDS, nx=True))
        return item.quantity
    return int(cached)
