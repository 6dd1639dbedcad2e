"""Where a plan runs: its platform with the keeper that owns what it starts; new, or taken over from a kept stack."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import PlatformError, SupervisorError, UsageError
from ..core.plan import Plan
from ..core.platforms import Platform
from ..core.processes import CommandResult, Residue, Supervisor, Surroundings
from ..core.redaction import Redactor
from ..engine.probing import Prober
from ..keeper import KeeperClient
from ..platforms.compose.platform import ComposePlatform
from ..platforms.local import LocalPlatform
from ..platforms.remote import RemotePlatform
from .secrets import Secrets
from .vocabulary import vocabulary

Owned = LocalPlatform | ComposePlatform  # platforms that start what the keeper owns
_GENERATED = "stack/.generated.json"  # beside the stack's own passwords: private, and gone with it


@dataclass(kw_only=True)
class Place:
    """A platform, the keeper that owns processes of this trial, and how it ends.

    Against a remote stack there is nothing to own until a process of ours is adopted: its keeper starts then.
    """

    platform: Platform
    keeper: KeeperClient | None
    secrets: Secrets
    directory: Path
    keep: bool = False
    attached: bool = False
    ended: bool = False
    _launching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def adopt(self, pid: int, purpose: str) -> None:
        """Have the keeper own a process of ours."""
        async with self._launching:
            if self.keeper is None:
                self.keeper = await KeeperClient.launch(self.directory)
        await self.keeper.adopt(pid, purpose)

    async def run(
        self, argv: Sequence[str], surroundings: Surroundings, timeout_ns: int, grace_ns: int = 0
    ) -> CommandResult:
        """Have the keeper run a command here, and own all that it starts; see KeeperClient.run."""
        if self.keeper is None:
            raise SupervisorError("nothing of this trial runs here")
        return await self.keeper.run(argv, surroundings, timeout_ns, grace_ns=grace_ns)

    async def close(self) -> None:
        """Look no longer, and let go of the keeper."""
        if isinstance(self.platform, Owned):
            await self.platform.leave()
        if self.keeper is not None:
            await self.keeper.close()

    async def end(self) -> Residue:
        """End the stack, or leave it: when it is to be kept, or was there before."""
        self.ended = True
        if self.attached or self.keeper is None:
            return Residue()
        if self.keep:
            save_generated(self.directory, self.secrets)
            await self.keeper.keep()
            return Residue()
        if isinstance(self.platform, Owned):
            return await self.platform.down()
        return await self.keeper.end()


@contextlib.asynccontextmanager
async def place(
    plan: Plan,
    directory: Path,
    prober: Prober,
    secrets: Secrets,
    redactor: Redactor,
    *,
    keep: bool = False,
    attach: Path | None = None,
) -> AsyncIterator[Place]:
    """A place for the plan; whatever happens inside, nothing that was started here goes on unless it is to be kept."""
    if attach is not None:
        secrets.restore(load_generated(attach))
    platform: Platform
    keeper: KeeperClient | None = None
    if plan.stack.platform == "remote":
        platform = RemotePlatform(plan.stack, prober=prober, secrets=secrets)
    else:
        keeper = await (KeeperClient.attach(attach) if attach is not None else KeeperClient.launch(directory))
        platform = owned(plan, attach or directory, keeper, prober, secrets, redactor)
    here = Place(
        platform=platform, keeper=keeper, secrets=secrets, directory=directory, keep=keep, attached=attach is not None
    )
    prober.platform = platform
    try:
        if attach is not None and isinstance(platform, Owned):
            await platform.attach(lambda _: None)
        yield here
    finally:
        try:
            if not here.ended:
                await asyncio.shield(here.end())
        finally:
            await here.close()


def owned(
    plan: Plan, directory: Path, keeper: KeeperClient, prober: Prober, secrets: Secrets, redactor: Redactor
) -> Owned:
    """The platform of a plan that starts something."""
    supervisor: Supervisor = keeper
    platform = ComposePlatform if plan.stack.platform == "compose" else LocalPlatform
    return platform(
        plan.stack,
        directory=directory,
        supervisor=supervisor,
        prober=prober,
        kinds=vocabulary().kinds,
        secrets=secrets,
        on_secret=redactor.add,
        owner=keeper.keeper,
    )


def save_generated(directory: Path, secrets: Secrets) -> None:
    """Keep the secrets that were made for this stack, so that a later run can attach to it. Given ones are never written."""
    path = directory / _GENERATED
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(
        os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(secrets.generated(), file)


def load_generated(directory: Path) -> Mapping[str, str]:
    """What save_generated wrote. Raises UsageError when there is no kept stack."""
    try:
        content: Mapping[str, str] = json.loads((directory / _GENERATED).read_text(encoding="utf-8"))
    except OSError:
        raise UsageError.simple(
            f"no kept stack in {directory}", "keep one with `seatrial up` or `seatrial run --keep`"
        ) from None
    except ValueError as error:
        raise PlatformError(f"{directory / _GENERATED} is damaged: {error}") from None
    return content
