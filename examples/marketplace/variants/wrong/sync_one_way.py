"""A sync that knows one direction only."""

import asyncio

from marketplace import sync


async def follow(name, source, target):
    """What the microservice writes stays there."""
    if name == "monolith to listings":
        await right(name, source, target)


right, sync.follow = sync.follow, follow

if __name__ == "__main__":
    asyncio.run(sync.main())
