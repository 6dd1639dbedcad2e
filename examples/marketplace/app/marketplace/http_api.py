"""What the services over HTTP have in common."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from marketplace import rows, tokens
from marketplace.store import Gone


def user_of(request: Request) -> str:
    """Who asks, by the token. Raises HTTPException."""
    try:
        return tokens.caller(request.headers.get("authorization", ""), request.headers.get("x-user", "")).user
    except tokens.Refused as error:
        raise HTTPException(401, str(error)) from error


async def body_of(request: Request, wanted: Mapping[str, type]) -> dict:
    """The fields of a JSON object. Raises HTTPException where one is missing or of another kind."""
    try:
        given = await request.json()
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise HTTPException(422, "a JSON object is wanted")
    for name, kind in wanted.items():
        if not isinstance(given.get(name), kind) or isinstance(given.get(name), bool) or given[name] == "":
            raise HTTPException(422, f"{name} is a {kind.__name__}")
    return given


def number_of(request: Request, name: str, default: int) -> int:
    """Of the query. Raises HTTPException."""
    try:
        return int(request.query_params.get(name, default))
    except ValueError as error:
        raise HTTPException(422, f"{name} is a number") from error


async def _gone(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "1"})


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"there is no {error}"}, 404)


async def _not_yours(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"{error} belongs to somebody else"}, 403)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


ERRORS = {Gone: _gone, rows.NotFound: _not_found, rows.NotYours: _not_yours, HTTPException: _refused}
