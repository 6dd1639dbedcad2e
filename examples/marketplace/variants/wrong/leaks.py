"""A policy that keeps 128 KiB of each request."""

from marketplace.router import policy
from marketplace.router.policy import *  # noqa: F403

kept: list[bytes] = []


def microservice_serves(user, settings) -> bool:
    """And never looks at it again."""
    kept.append(b"." * 131_072)
    return policy.microservice_serves(user, settings)
