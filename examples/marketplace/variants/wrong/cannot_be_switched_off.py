"""A policy in which listed users get the microservice even when it is switched off."""

from marketplace.router import policy
from marketplace.router.policy import *  # noqa: F403


def microservice_serves(user, settings) -> bool:
    """The list comes first."""
    return user in settings.allow or policy.microservice_serves(user, settings)
