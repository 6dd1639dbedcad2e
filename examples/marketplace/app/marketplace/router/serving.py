"""One request for listings: to the microservice or the monolith, and from the one to the other."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import grpc.aio
from starlette.responses import JSONResponse, Response

from marketplace.listings import listings_pb2 as pb
from marketplace.router import metrics
from marketplace.router.breaker import Breaker
from marketplace.router.microservice import Microservice, listing
from marketplace.router.monolith import Monolith, Unanswered
from marketplace.router.settings import Kept, Settings


class Malformed(Exception):
    """The request cannot be understood."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: str
    body: bytes
    user: str
    authorization: str  # the user's own token, or that of the router, which names the user
    request_id: str
    names: dict[str, Any] = field(default_factory=dict)  # of the path and the query

    @property
    def headers(self) -> dict[str, str]:
        """For the backends."""
        return {"authorization": self.authorization, "x-user": self.user, "x-request-id": self.request_id}

    def fields(self) -> dict[str, Any]:
        """Of the body. Raises Malformed."""
        try:
            given = json.loads(self.body)
        except ValueError as error:
            raise Malformed("a JSON object is wanted") from error
        if not isinstance(given, dict):
            raise Malformed("a JSON object is wanted")
        return given


Call = tuple[str, Any, Callable[[Any], tuple[int, Any]]]  # the method, its message, and what its answer is in HTTP


def call_of(asked: Asked) -> Call:
    """What the microservice is asked for a request. Raises Malformed."""
    id_ = asked.names.get("id", "")
    try:
        if asked.path.endswith("/images"):
            image = pb.Image(**asked.fields())
            return "AddImage", pb.AddImageRequest(listing_id=id_, image=image), lambda m: (201, listing(m))
        if id_ and asked.method == "GET":
            return "Get", pb.GetRequest(id=id_), lambda m: (200, listing(m))
        if id_ and asked.method == "PUT":
            return "Update", pb.UpdateRequest(id=id_, **asked.fields()), lambda m: (200, listing(m))
        if id_:
            return "Delete", pb.DeleteRequest(id=id_), lambda m: (204, None)
        if asked.method == "POST":
            return "Create", pb.CreateRequest(**asked.fields()), lambda m: (201, listing(m))
        wanted = pb.ListRequest(
            owner=asked.names.get("owner", ""),
            limit=int(asked.names.get("limit", 20)),
            offset=int(asked.names.get("offset", 0)),
        )
    except (TypeError, ValueError) as error:
        raise Malformed(str(error)) from error
    return "List", wanted, lambda m: (200, {"listings": [listing(one) for one in m.listings]})


class Serving:
    """What all requests share."""

    def __init__(
        self, microservice: Microservice, monolith: Monolith, breaker: Breaker, kept: Kept, policy: ModuleType
    ) -> None:
        self._microservice, self._monolith, self._breaker = microservice, monolith, breaker
        self._kept, self._policy = kept, policy

    async def serve(self, asked: Asked) -> Response:
        """The answer, signed with who gave it. Raises Malformed."""
        settings = self._kept.now
        began, backend = time.monotonic(), "monolith"
        flags = [n for n, f in settings.flags.items() if self._policy.flag_is_on(n, f, asked.user)]
        answer, reason = None, ""
        if self._policy.microservice_serves(asked.user, settings):
            answer, reason = await self._by_microservice(asked, settings, flags)
            backend = "microservice" if answer is not None else backend
        if answer is None:
            answer = await self.by_monolith(asked, flags)
        if reason:
            metrics.FALLBACKS.labels(reason).inc()
            answer.headers["X-Fallback"] = reason
        answer.headers["X-Served-By"] = backend
        answer.headers["X-Flags"] = ",".join(sorted(flags))
        metrics.REQUESTS.labels(backend, str(answer.status_code)).inc()
        metrics.TOOK.labels(backend).observe(time.monotonic() - began)
        return answer

    async def _by_microservice(self, asked: Asked, settings: Settings, flags: list[str]) -> tuple[Response | None, str]:
        """Its answer; None, and why, where the monolith is to be asked."""
        method, message, answered = call_of(asked)
        era = self._breaker.admits()
        if era is None:
            return None, "open"
        good = None
        try:
            reply = await self._microservice.call(method, message, list(asked.headers.items()), settings)
            good = True
        except grpc.aio.AioRpcError as error:
            status = self._policy.status_of(error.code())
            good = status is not None
            if status is None:
                return None, self._policy.REASONS.get(error.code(), "error")
            return JSONResponse({"error": error.details()}, status), ""
        finally:
            self._breaker.ended(era, good)
        status, content = answered(reply)
        return (Response(status_code=204) if content is None else JSONResponse(shaped(content, flags), status)), ""

    async def by_monolith(self, asked: Asked, flags: list[str]) -> Response:
        """Its answer as it is."""
        headers = {**asked.headers, "content-type": "application/json"}
        try:
            status, given, body = await self._monolith.ask(asked.method, asked.path, asked.query, headers, asked.body)
        except Unanswered as error:
            return JSONResponse({"error": f"the monolith did not answer: {error}"}, 503, headers={"Retry-After": "1"})
        if flags and status == 200 and asked.method == "GET":
            body = json.dumps(shaped(json.loads(body), flags)).encode()
        return Response(body, status, headers=given)


def shaped(content: Any, flags: list[str]) -> Any:
    """As the user's flags want it: `compact` has no images."""
    if "compact" not in flags:
        return content
    if "listings" in content:
        return {"listings": [shaped(one, flags) for one in content["listings"]]}
    return {name: value for name, value in content.items() if name != "images"}
