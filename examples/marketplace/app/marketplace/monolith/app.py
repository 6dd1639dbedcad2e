"""The monolith over HTTP: listings, images, stock, purchases."""

import asyncio
import contextlib
import importlib
import os
from collections.abc import AsyncIterator
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace import rows
from marketplace.http_api import ERRORS, body_of, number_of, user_of
from marketplace.serving import serve
from marketplace.store import Store

# Modules that do it in another way can be put in their place.
selling = importlib.import_module(os.environ.get("MARKETPLACE_SELLING", "marketplace.monolith.selling"))
caching = importlib.import_module(os.environ.get("MARKETPLACE_CACHE", "marketplace.monolith.cache"))
SEARCH_URL = os.environ.get("SEARCH_URL", "")  # empty: there is no index
searching = (
    importlib.import_module(os.environ.get("MARKETPLACE_SEARCH", "marketplace.monolith.searching"))
    if SEARCH_URL
    else None
)
LISTING = {"title": str, "price_cents": int}
SELLING = 5  # who waits for an item's row has a connection of the pool: so many may, and the others are left to those who look
SERVED = {"X-Served-By": "monolith"}


@contextlib.asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    """The database and the cache, for as long as it runs."""
    application.state.store = Store(os.environ["DATABASE_DSN"], size=12)
    application.state.selling = asyncio.Semaphore(SELLING)
    application.state.cache = caching.Cache(os.environ["REDIS_URL"])
    application.state.engine = searching.Engine(SEARCH_URL) if searching is not None else None
    await application.state.store.open()
    yield
    await application.state.store.close()
    await application.state.cache.close()
    if application.state.engine is not None:
        await application.state.engine.close()


def answer(content: object, status: int = 200) -> JSONResponse:
    """Signed."""
    return JSONResponse(content, status, headers=SERVED)


async def listings(request: Request) -> Response:
    """The newest ones, or a new one."""
    user = user_of(request)
    store: Store = request.app.state.store
    if request.method == "GET":
        limit, offset = number_of(request, "limit", 20), number_of(request, "offset", 0)
        async with store.transaction() as db:
            found = await rows.page(db, request.query_params.get("owner", ""), limit, offset)
        return answer({"listings": found})
    given = await body_of(request, LISTING)
    async with store.transaction() as db:
        made = await rows.create(db, str(given.get("id") or uuid4()), user, given["title"], given["price_cents"])
    return answer(made, 201)


async def listing(request: Request) -> Response:
    """One: looked at, changed, deleted."""
    user, id_ = user_of(request), request.path_params["id"]
    store, cache = request.app.state.store, request.app.state.cache
    if request.method == "GET":
        known = await cache.get(id_)
        if known is None:
            async with store.transaction() as db:
                known = await rows.get(db, id_)
            await cache.put(known)
        return answer(known)
    if request.method == "DELETE":
        async with store.transaction() as db:
            await rows.delete(db, id_, user)
        await cache.forget(id_)
        return Response(status_code=204, headers=SERVED)
    given = await body_of(request, LISTING)
    async with store.transaction() as db:
        changed = await rows.update(db, id_, user, given["title"], given["price_cents"])
    await cache.forget(id_)
    return answer(changed)


async def images(request: Request) -> Response:
    """One more picture of a listing."""
    user, id_ = user_of(request), request.path_params["id"]
    given = await body_of(request, {"url": str, "width": int, "height": int})
    image = str(given.get("id") or uuid4())
    async with request.app.state.store.transaction() as db:
        changed = await rows.add_image(db, id_, user, image, given["url"], given["width"], given["height"])
    await request.app.state.cache.forget(id_)
    return answer(changed, 201)


async def search(request: Request) -> Response:
    """By words in their titles: of the index, or where that is not to be had, more slowly and roughly, of the database."""
    user_of(request)
    words, limit = request.query_params.get("q", "").strip(), max(1, min(number_of(request, "limit", 20), rows.MOST))
    if not words:
        raise HTTPException(422, "q is what is looked for")
    engine = request.app.state.engine
    found = await engine.find(words, limit) if engine is not None else None
    if found is not None:
        return answer({"by": "index", "listings": found})
    async with request.app.state.store.transaction() as db:
        return answer({"by": "database", "listings": await rows.search(db, words, limit)})


async def stock(request: Request) -> Response:
    """What is left of a listing, or as it was counted."""
    user_of(request)
    id_ = request.path_params["id"]
    async with request.app.state.store.transaction() as db:
        if request.method == "GET":
            return answer({"listing": id_, "available": await selling.stock(db, id_)})
        given = await body_of(request, {"available": int})
        await selling.set_stock(db, id_, given["available"])
    return answer({"listing": id_, "available": given["available"]})


async def rollback(request: Request) -> Response:
    """Stock that comes back: the same key again changes nothing."""
    user_of(request)
    given = await body_of(request, {"quantity": int, "key": str})
    async with request.app.state.selling, request.app.state.store.transaction() as db:
        left, made = await selling.roll_back(db, request.path_params["id"], given["quantity"], given["key"])
    return answer({"available": left}, 201 if made else 200)


async def purchases(request: Request) -> Response:
    """A purchase: the same key again is the same one."""
    user = user_of(request)
    given = await body_of(request, {"listing": str, "quantity": int, "key": str})
    if given["quantity"] < 1:
        raise HTTPException(422, "quantity is at least 1")
    try:
        async with request.app.state.selling, request.app.state.store.transaction() as db:
            bought, made = await selling.buy(db, given["listing"], user, given["quantity"], given["key"])
    except selling.OutOfStock as error:
        raise HTTPException(409, "out of stock") from error
    return answer({**bought, "id": str(bought["id"])}, 201 if made else 200)


async def purchase_keys(request: Request) -> Response:
    """Of all that was sold of a listing."""
    user_of(request)
    async with request.app.state.store.transaction() as db:
        return answer({"keys": await selling.keys(db, request.query_params.get("listing", ""))})


async def live(request: Request) -> Response:
    """It runs."""
    return answer({"alive": True})


async def ready(request: Request) -> Response:
    """It can serve: the cache may be down for that."""
    database = await request.app.state.store.answers()
    cache = request.app.state.cache
    seen = {"database": "ok" if database else "gone", "cache": "ok" if cache.up else "gone"}
    return answer({**seen, "hits": cache.hits, "misses": cache.misses}, 200 if database else 503)


app = Starlette(
    lifespan=lifespan,
    exception_handlers=ERRORS,
    routes=[
        Route("/listings", listings, methods=["GET", "POST"]),
        Route("/listings/{id}", listing, methods=["GET", "PUT", "DELETE"]),
        Route("/listings/{id}/images", images, methods=["POST"]),
        Route("/search", search),
        Route("/stock/{id}", stock, methods=["GET", "PUT"]),
        Route("/stock/{id}/rollback", rollback, methods=["POST"]),
        Route("/purchases", purchases, methods=["POST"]),
        Route("/purchases/keys", purchase_keys),
        Route("/livez", live),
        Route("/readyz", ready),
    ],
)

if __name__ == "__main__":
    serve(app)
