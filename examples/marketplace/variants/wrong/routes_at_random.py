"""A policy that draws lots for each request."""

import random

from marketplace.router.policy import *  # noqa: F403


def microservice_serves(user, settings) -> bool:
    """The share is right, and nobody stays where they were."""
    return settings.enabled and (user in settings.allow or random.uniform(0, 100) < settings.percentage)
