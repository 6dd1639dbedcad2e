"""The router over HTTP: listings by one backend or the other, everything else by the monolith; its settings and metrics."""

import asyncio
import contextlib
import hmac
import importlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from uuid import uuid4

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace import tokens
from marketplace.router import metrics, settings
from marketplace.router.breaker import Breaker, State
from marketplace.router.microservice import Microservice
from marketplace.router.monolith import Monolith, ServiceToken
from marketplace.router.serving import Asked, Malformed, Serving
from marketplace.serving import serve

# A module that has promised something else can be put in its place.
policy = importlib.import_module(os.environ.get("ROUTER_POLICY", "marketplace.router.policy"))
ALL = ["GET", "POST", "PUT", "DELETE"]


def tell(state: State) -> None:
    """The metrics, of a breaker that has changed."""
    metrics.BREAKER.set(state)
    metrics.TRANSITIONS.labels(state.name.lower().replace("_", "-")).inc()


@contextlib.asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    """Connections to both backends, for as long as it runs."""
    state = application.state
    state.kept = settings.from_environment()
    state.breaker = Breaker(lambda: state.kept.now.breaker, tell)
    state.microservice = Microservice(os.environ["LISTINGS_ADDRESS"], policy)
    state.monolith = Monolith(os.environ["MONOLITH_URL"])
    state.token = ServiceToken(os.environ["AUTH_URL"], os.environ["SERVICE_PASSWORD"])
    state.serving = Serving(state.microservice, state.monolith, state.breaker, state.kept, policy)
    keeping = asyncio.create_task(state.token.keep())
    yield
    keeping.cancel()
    await state.microservice.close()
    await state.monolith.close()


async def asked_of(request: Request) -> Asked:
    """The request, with the user it is from. Raises HTTPException without one."""
    authorization = request.headers.get("authorization", "")
    user = tokens.subject_unverified(authorization) if authorization else request.headers.get("x-user", "")
    if not user and not authorization:
        raise HTTPException(401, "who asks? a bearer token, or X-User from the edge")
    return Asked(
        method=request.method,
        path=request.url.path,
        query=request.url.query,
        body=await request.body(),
        user=user,
        authorization=authorization or f"Bearer {request.app.state.token.token}",
        request_id=request.headers.get("x-request-id") or str(uuid4()),
        names={**request.query_params, **request.path_params},
    )


async def listings(request: Request) -> Response:
    """By the microservice or the monolith."""
    asked = await asked_of(request)
    if request.method == "POST":
        asked = with_id(asked)
    try:
        answer = await request.app.state.serving.serve(asked)
    except Malformed as error:
        return JSONResponse({"error": str(error)}, 422)
    answer.headers["X-Request-Id"] = asked.request_id
    return answer


def with_id(asked: Asked) -> Asked:
    """A new listing or image has its id from here: whichever backend makes it, and if both do, it is one."""
    with contextlib.suppress(Malformed):
        body = json.dumps({**asked.fields(), "id": str(uuid4())}).encode()
        return Asked(**{**asked.__dict__, "body": body})
    return asked


async def others(request: Request) -> Response:
    """By the monolith."""
    asked = await asked_of(request)
    answer = await request.app.state.serving.by_monolith(asked, [])
    answer.headers["X-Served-By"] = "monolith"
    answer.headers["X-Request-Id"] = asked.request_id
    return answer


def _admin(request: Request) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {os.environ['ADMIN_TOKEN']}".encode()):
        raise HTTPException(403, "that is for the administrator")


async def admin_settings(request: Request) -> Response:
    """As they are; with PATCH, what is given is changed."""
    _admin(request)
    kept = request.app.state.kept
    if request.method == "PATCH":
        try:
            kept.change(await request.json())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
    return JSONResponse(asdict(kept.now))


async def admin_breaker(request: Request) -> Response:
    """Its state; with DELETE, it is closed."""
    _admin(request)
    if request.method == "DELETE":
        request.app.state.breaker.reset()
    return JSONResponse({"state": request.app.state.breaker.state.name.lower().replace("_", "-")})


async def shown_metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def live(request: Request) -> Response:
    """It runs."""
    return JSONResponse({"alive": True})


async def ready(request: Request) -> Response:
    """It can speak for its users. Whether a backend is there is the business of each request."""
    known = bool(request.app.state.token.token)
    return JSONResponse({"token": "ok" if known else "none"}, 200 if known else 503)


async def refused(request: Request, error: Exception) -> Response:
    """As JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


app = Starlette(
    lifespan=lifespan,
    exception_handlers={HTTPException: refused},
    routes=[
        Route("/listings", listings, methods=["GET", "POST"]),
        Route("/listings/{id}", listings, methods=["GET", "PUT", "DELETE"]),
        Route("/listings/{id}/images", listings, methods=["POST"]),
        Route("/search", others),
        Route("/stock/{rest:path}", others, methods=ALL),
        Route("/purchases", others, methods=ALL),
        Route("/purchases/{rest:path}", others, methods=ALL),
        Route("/admin/settings", admin_settings, methods=["GET", "PATCH"]),
        Route("/admin/breaker", admin_breaker, methods=["GET", "DELETE"]),
        Route("/metrics", shown_metrics),
        Route("/livez", live),
        Route("/readyz", ready),
    ],
)

if __name__ == "__main__":
    serve(app)
