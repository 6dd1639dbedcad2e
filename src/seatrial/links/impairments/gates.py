"""Gates: impairments that hit some requests, and let others pass."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .base import Impairment, share


@dataclass(frozen=True, slots=True)
class Request:
    """What a gate goes by: the method (of gRPC always POST), and the path with its query (of gRPC /package.Service/Method). How long
    its caller waits for it, where gRPC says so.
    """

    method: str
    path: str
    deadline_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of one request: `head` where it begins, `last` where it ends."""

    data: bytes
    head: Request | None = None
    last: bool = False


class Gate(Impairment):
    """Of the requests whose path (without the query) matches the pattern `path` and whose method is `method`, a `share` is hit.

    Over HTTP/1.1 `answer_to` is what is said in place of the service, over gRPC `code` is what a call ends with; `abort` ends the
    connection, or the stream; `delay` in seconds.
    """

    PROTOCOL: str
    abort = False
    delay = 0.0
    code = 0

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__({})
        self._path = str(arguments.get("path", "*"))
        self._method = str(arguments.get("method", ""))
        self._share = share(arguments)

    def hits(self, request: Request) -> bool:
        """Whether a request is one of those; the share is drawn anew for each."""
        if self._method and request.method != self._method:
            return False
        if not fnmatch.fnmatchcase(request.path.partition("?")[0], self._path):
            return False
        return self._share >= 1 or random.random() < self._share  # noqa: S311 - a network, not a secret

    def answer_to(self, request: Request) -> bytes:
        """Over HTTP/1.1, in place of the service's; empty where that is to come."""
        del request
        return b""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a request that was hit, by all that hit it together; its deadline is the caller's."""

    abort: bool = False
    delay: float = 0.0
    answer: bytes = b""
    code: int = 0
    deadline_ns: int | None = None

    @property
    def keeps(self) -> bool:
        """Whether the service never sees it."""
        return bool(self.abort or self.answer or self.code)


Decide = Callable[[Request], Fate | None]


def fate_of(request: Request, gates: Sequence[Gate]) -> Fate | None:
    """None where no gate hits it."""
    hits = [gate for gate in gates if gate.hits(request)]
    if not hits:
        return None
    return Fate(
        abort=any(hit.abort for hit in hits),
        delay=sum(hit.delay for hit in hits),
        answer=next((a for hit in hits if (a := hit.answer_to(request))), b""),
        code=next((hit.code for hit in hits if hit.code), 0),
        deadline_ns=request.deadline_ns,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """What comes of bytes that have arrived: what is passed on, so much later; the fate of a request that begins here and was hit, and
    what is answered in place of the service; over HTTP/1.1 the request that begins here, whether it was hit or not.
    """

    data: bytes
    fate: Fate | None = None
    answer: bytes = b""
    delay: float = 0.0
    head: Request | None = None
