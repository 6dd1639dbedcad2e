"""Every answer says which instance gave it; every failure of a dependency is a 503, said quickly."""

import logging
import threading

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connections
from django.http import Http404, JsonResponse

from shop.cache import CacheGone
from shop.watchdog import limited

# Of 32 threads 20 use the database, 7 wait a moment for their turn, the others are free for liveness and readiness.
_database, _waiting = threading.BoundedSemaphore(20), threading.BoundedSemaphore(7)
_FREE = ("/livez", "/readyz")
_log = logging.getLogger(__name__)


class Answers:
    """The one middleware."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        """Answer."""
        if request.path in _FREE:
            response = self.get_response(request)
        elif _turn():
            try:
                with limited():
                    response = self.get_response(request)
            finally:
                _database.release()
        else:
            response = JsonResponse({"error": "too many requests wait for the database"}, status=503)
        response["X-Instance"] = settings.INSTANCE_NAME
        return response

    def process_exception(self, request, error):
        """A dependency that is gone is no bug of ours; the next request finds a fresh connection."""
        if isinstance(error, Http404):
            return None
        if isinstance(error, IntegrityError):
            return JsonResponse({"error": "it is there already, or belongs to nothing"}, status=409)
        if isinstance(error, DatabaseError | InterfaceError):  # also: the old primary takes no writes any more
            connections.close_all()
            return JsonResponse({"error": f"database: {_first_line(error)}"}, status=503)
        if isinstance(error, CacheGone):
            return JsonResponse({"error": f"cache: {_first_line(error)}"}, status=503)
        _log.error("%s %s", request.method, request.path, exc_info=error)
        return JsonResponse({"error": type(error).__name__}, status=500)


def _turn() -> bool:
    if _database.acquire(blocking=False):
        return True
    if not _waiting.acquire(blocking=False):
        return False
    try:
        return _database.acquire(timeout=0.5)
    finally:
        _waiting.release()


def _first_line(error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
