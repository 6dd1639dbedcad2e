"""What a spec may know of a project: core.compose.ReadsCompose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...core.compose import ComposeFile, ComposeProject, ComposeService
from ...core.stack import Declaration
from . import cli
from .config import Config, Service, parse

PLACEHOLDER = "secret"  # stands for secrets, which are not known before a trial


def read(project: ComposeProject, environment: Mapping[str, str]) -> ComposeFile:
    """Run ``docker compose config``."""
    text = cli.read(
        project, surroundings(project, environment, dict.fromkeys(project.secrets, PLACEHOLDER)), project.name
    )
    return known(parse(text))


def surroundings(project: ComposeProject, environment: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The environment that a project's files are interpolated with. Secrets of the spec come before the caller's variables of the same
    name: they are what its identities and probes know the stack by.
    """
    found = {**environment, **secrets}
    for name, value in project.variables.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = as_text(value)
    return found


def as_text(value: object) -> str:
    """A value of a stack file as a variable has it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def known(config: Config) -> ComposeFile:
    """A project in the words of the core."""
    members = config.members()
    return ComposeFile(
        name=config.name,
        services={name: _service(name, each, config) for name, each in members.items()},
        jobs=tuple(s.name for s in config.services.values() if s.job),
        settings=config.settings,
    )


def _service(name: str, members: Sequence[Service], config: Config) -> ComposeService:
    first = members[0]
    after: dict[str, None] = {}
    for member in members:
        for other in _before(member, config):
            after[other] = None
    after.pop(name, None)
    return ComposeService(
        name=name,
        kind=first.kind,
        count=sum(m.declaration.replicas for m in members),
        members=tuple(m.name for m in members),
        after=tuple(after),
        endpoints={n: p.number for n, p in first.endpoints.items()},
        settings=first.settings,
        optional=all(m.optional for m in members),
        promises=tuple(_promises(first.declaration)),
    )


def _promises(declaration: Declaration) -> Iterator[str]:
    """What the file says of a service that can be held against it."""
    limits = declaration.limits
    if any(limit is not None for limit in (limits.cpus, limits.memory_bytes, limits.pids)):
        yield "limits"
    if any(v.kept and not v.read_only for v in declaration.volumes):
        yield "volumes"
    for name in ("ports", "environment", "health"):
        if getattr(declaration, name):
            yield name


def _before(service: Service, config: Config, seen: frozenset[str] = frozenset()) -> list[str]:
    """The services of the stack that it starts after: what a job waits for, whoever waits for the job waits for, too."""
    found: list[str] = []
    for name in service.declaration.after:
        other = config.services.get(name)
        if other is None or name in seen:
            continue
        found += _before(other, config, seen | {name}) if other.job else [other.part_of]
    return found
