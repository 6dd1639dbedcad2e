"""The auth service: tokens for those who know the password, and for services that know theirs."""

import hmac
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from marketplace import tokens
from marketplace.serving import serve


def _right(given: object, name: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), os.environ[name].encode())


async def token(request: Request) -> JSONResponse:
    """POST {user, password}, or {service, password}."""
    try:
        asked = await request.json()
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return JSONResponse({"error": "a user and a password are wanted"}, 400)
    service, user = asked.get("service"), asked.get("user")
    if isinstance(service, str) and service and _right(asked.get("password"), "SERVICE_PASSWORD"):
        made = tokens.issue(service, scope=tokens.SERVICE)
    elif isinstance(user, str) and user and _right(asked.get("password"), "USER_PASSWORD"):
        made = tokens.issue(user)
    else:
        return JSONResponse({"error": "wrong user or password"}, 401)
    return JSONResponse({"token": made, "expires_in": tokens.LIFETIME_S})


async def ready(request: Request) -> JSONResponse:
    """It needs nobody."""
    return JSONResponse({"ready": True})


app = Starlette(
    routes=[Route("/token", token, methods=["POST"]), Route("/readyz", ready), Route("/livez", ready)],
)

if __name__ == "__main__":
    serve(app)
