"""A policy without a deadline."""

from marketplace.router.policy import *  # noqa: F403


def budget_s(settings) -> float | None:
    """As long as it takes."""
    return None
