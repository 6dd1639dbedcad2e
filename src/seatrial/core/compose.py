"""A stack of Docker Compose: where it is written, and what a spec may know of it before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

EXTENSION = "x-seatrial"  # in a service of a compose file, and in the file as a whole


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposeProject:
    """The files of a project, and how they are read.

    `name`: of the project; empty: one of each trial's own. `adopt`: it runs already, and goes on afterwards. `variables` are laid over the
    environment that the files are interpolated with (None: removed from it), `overlay` over the services themselves, by their names in
    the stack: environment, command, replicas, restart (both for variants; their texts may be Templates). `secrets` of the spec are in
    that environment, too.
    """

    files: tuple[Path, ...]
    directory: Path
    profiles: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    name: str = ""
    adopt: bool = False
    variables: Mapping[str, object] = field(default_factory=dict)
    overlay: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposeService:
    """A service as the spec speaks of it: one of the file's, or several that say they are instances of the same.

    `members`: names in the file. `settings`: the `x-seatrial` of the first of them. `endpoints`: name to its port in the container.
    `promises`: of limits, ports, environment, volumes and health what the file says of it.
    """

    name: str
    kind: str
    count: int
    members: tuple[str, ...]
    after: tuple[str, ...]
    endpoints: Mapping[str, int]
    settings: Mapping[str, Any]
    optional: bool = False
    promises: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposeFile:
    """What Compose made of the files. `jobs`: services that end, which others wait for."""

    name: str
    services: Mapping[str, ComposeService]
    jobs: tuple[str, ...]
    settings: Mapping[str, Any]
    others: tuple[Path, ...] = ()  # files that it read beside those that it was given


class ReadsCompose(Protocol):
    """The one reader of compose files. Raises UsageError in Compose's own words; no engine is asked."""

    def __call__(self, project: ComposeProject, environment: Mapping[str, str]) -> ComposeFile: ...
