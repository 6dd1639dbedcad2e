"""What the router has promised: who is served where, what is tried again, how long, and what falls back."""

import hashlib

from grpc import StatusCode

from marketplace.router.settings import Flag, Settings

# Asked twice they do what they do once. Create is not among them, whatever its id.
IDEMPOTENT = frozenset({"Get", "List", "Update", "Delete"})
PASSED_ON = {
    StatusCode.NOT_FOUND: 404,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.INVALID_ARGUMENT: 422,
    StatusCode.ALREADY_EXISTS: 409,
}
REASONS = {StatusCode.DEADLINE_EXCEEDED: "timeout", StatusCode.UNAVAILABLE: "unavailable"}


def bucket(user: str, what: str) -> float:
    """Where in [0, 100) a user is, the same everywhere and for ever: who is below 10 is below 20, too."""
    digest = hashlib.sha256(f"{what}:{user}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def microservice_serves(user: str, settings: Settings) -> bool:
    """Whether it does, for this user."""
    if not settings.enabled:
        return False
    return user in settings.allow or bucket(user, "listings") < settings.percentage


def flag_is_on(name: str, flag: Flag, user: str) -> bool:
    """For this user."""
    return user in flag.users or bucket(user, f"flag {name}") < flag.percentage


def budget_s(settings: Settings) -> float | None:
    """How long a request may take at the microservice, all attempts together."""
    return settings.timeout_ms / 1000


def tried_again(method: str, code: StatusCode) -> bool:
    """Whether a further attempt is in order."""
    return method in IDEMPOTENT and code is StatusCode.UNAVAILABLE


def status_of(code: StatusCode) -> int | None:
    """The HTTP status of an answer that is passed on; None: the monolith is asked."""
    return PASSED_ON.get(code)
