"""What views have in common: JSON in, JSON out, and who asks."""

import json
from functools import wraps
from importlib import import_module

from django.conf import settings
from django.core import signing
from django.http import JsonResponse

from shop.models import User


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def part(name: str):
    """A part of the shop that can be replaced: readiness, selling, access."""
    return import_module(settings.SHOP[name])


def token_for(user: User) -> str:
    """Signed, so that every instance accepts it."""
    return signing.dumps({"user": user.id})


def _user(request) -> User:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise Refused(401, "no bearer token")
    try:
        number = signing.loads(token, max_age=86400)["user"]
        return User.objects.get(id=number)
    except (signing.BadSignature, User.DoesNotExist, KeyError):
        raise Refused(401, "the token is not valid") from None


def api(*methods: str, public: bool = False):
    """A view that takes (request, user, data, ...) and returns (status, JSON)."""

    def wrap(view):
        @wraps(view)
        def answer(request, **places):
            try:
                if request.method not in methods:
                    raise Refused(405, f"use {' or '.join(methods)}")
                data = {}
                if request.body:
                    data = json.loads(request.body)
                user = None if public else _user(request)
                status, body = view(request, user, data, **places)
            except Refused as refused:
                status, body = refused.status, {"error": str(refused)}
            except (ValueError, KeyError, TypeError) as error:
                status, body = 400, {"error": f"bad request: {type(error).__name__}: {error}"}
            return JsonResponse(body, status=status)

        return answer

    return wrap
