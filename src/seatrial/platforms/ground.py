"""What a local stack stands on: directories, ports, names, secrets, and what services tell each other."""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import PlatformError
from ..core.templates import render
from .ports import LOOPBACK, Ports

_ALPHABET = string.ascii_letters + string.digits  # needs no quoting in a URL, a DSN or a configuration file
_SECRET_CHARACTERS = 24
_RECORD = "ground.json"


@dataclass(kw_only=True)
class Site:
    """Shared by all services of a stack.

    `given` are ports and secrets by "service label": what a stack that is attached to was started with, so that the same
    blueprints come out of expanding it again.
    """

    directory: Path
    stack_directory: Path
    stack_name: str
    ports: Ports
    secret: Callable[[str], str]  # value of a secret of the spec
    on_secret: Callable[[str], None]
    names_resolve: bool = False
    given_ports: dict[str, int] = field(default_factory=dict)
    given_secrets: dict[str, str] = field(default_factory=dict)
    exports: dict[str, Mapping[str, str]] = field(default_factory=dict)
    led: dict[str, dict[str, Mapping[str, str]]] = field(
        default_factory=dict
    )  # client to service to what its link exports
    absent: dict[str, str] = field(default_factory=dict)  # optional services that cannot be had, and why
    restored: bool = False

    def known_to(self, client: str) -> dict[str, Mapping[str, str]]:
        """Exports by service, as one of them is to know them: by its links where it has some."""
        return {**self.exports, **self.led.get(client, {})}

    def values(self, client: str) -> dict[str, object]:
        """The values of a service's templates: exports by service, and the stack's own."""
        return {**self.known_to(client), "stack": {"directory": str(self.stack_directory), "name": self.stack_name}}

    def save(self) -> None:
        """Keep what `restore` needs; the file holds passwords, and goes with the stack's directory."""
        content = {
            "ports": self.given_ports,
            "secrets": self.given_secrets,
            "names_resolve": self.names_resolve,
            "absent": self.absent,
        }
        descriptor = os.open(self.directory / _RECORD, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)

    def restore(self) -> None:
        """Take over what was saved. Raises PlatformError if no stack was started here."""
        try:
            content = json.loads((self.directory / _RECORD).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PlatformError(f"no running stack in {self.directory}: {error}") from error
        self.given_ports = dict(content["ports"])
        self.given_secrets = dict(content["secrets"])
        self.names_resolve = bool(content["names_resolve"])
        self.absent = dict(content.get("absent", {}))
        self.restored = True
        self.ports.adopt(self.given_ports.values())
        for value in self.given_secrets.values():
            self.on_secret(value)


class LocalGround:
    """core.stack.Ground for one service; beside it `take_port` and `render`, for kinds whose instances have templates."""

    def __init__(self, site: Site, service: str) -> None:
        self._site = site
        self._service = service

    @property
    def directory(self) -> Path:
        """The service's own directory (0700)."""
        directory = self._site.directory / self._service
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    @property
    def stack_directory(self) -> Path:
        """Where relative paths of the stack file start."""
        return self._site.stack_directory

    def port(self, label: str) -> int:
        """An allocated port; the same for the same label."""
        return self._port(label, self._site.ports.allocate)

    def take_port(self, label: str, number: int) -> int:
        """A port that the stack file fixes. Raises PlatformError if it is in use."""
        return self._port(label, lambda: self._site.ports.take(number, f"service {self._service} ({label})"))

    def host(self, service: str) -> str:
        """How other services reach it."""
        return service if self._site.names_resolve else LOOPBACK

    def secret(self, label: str) -> str:
        """A password of letters and digits; the same for the same label."""
        key = f"{self._service} {label}"
        if key not in self._site.given_secrets:
            value = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
            self._site.on_secret(value)
            self._site.given_secrets[key] = value
        return self._site.given_secrets[key]

    def exports(self, service: str) -> Mapping[str, str]:
        """What an earlier service exports. Raises PlatformError for one that is not earlier."""
        known = self._site.known_to(self._service)
        if service not in known:
            raise PlatformError(f"{self._service} needs to know {service}: add it to `after` of {self._service}")
        return known[service]

    def render(self, tree: object, values: Mapping[str, object]) -> object:
        """Fill in templates, with these values beside the exports of earlier services."""
        return render(tree, {**self._site.values(self._service), **values}, self._secret_of_spec)

    def _secret_of_spec(self, name: str) -> str:
        value = self._site.secret(name)
        self._site.on_secret(value)
        return value

    def _key(self, label: str) -> str:
        return f"{self._service} {label}"

    def _port(self, label: str, obtain: Callable[[], int]) -> int:
        key = self._key(label)
        if key not in self._site.given_ports:
            self._site.given_ports[key] = obtain()
        return self._site.given_ports[key]
