"""A policy that gives the microservice's errors to the user."""

from grpc import StatusCode
from marketplace.router import policy
from marketplace.router.policy import *  # noqa: F403


def status_of(code: StatusCode) -> int | None:
    """Every error has a status."""
    return policy.status_of(code) or 503
