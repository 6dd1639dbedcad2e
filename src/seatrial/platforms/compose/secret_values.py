"""The secrets of a project that Compose hands to its containers, so that they are struck out of whatever is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ..secret_files import content_of, named
from .config import Config


def values(config: Config, environment: Callable[[], Mapping[str, str]]) -> Iterator[str]:
    """Of `secrets:` (files, and variables of `environment`), and in files that are mounted and that `..._FILE` names."""
    for each in (config.content.get("secrets") or {}).values():
        details: Mapping[str, Any] = each or {}
        if file := details.get("file"):
            yield from content_of(Path(str(file)))
        if (variable := details.get("environment")) and (value := environment().get(str(variable))):
            yield value
    for service in config.services.values():
        yield from named(service.declaration.environment, partial(_here, service.mounts))


def _here(mounts: Mapping[str, str], path: str) -> Path | None:
    """Where a path of a container is on this machine; None where it is not mounted from it."""
    inside = PurePosixPath(path)
    found = [(target, source) for source, target in mounts.items() if inside.is_relative_to(target)]
    if not found:
        return None
    target, source = max(found, key=lambda one: len(one[0]))
    return Path(source) / inside.relative_to(target)
