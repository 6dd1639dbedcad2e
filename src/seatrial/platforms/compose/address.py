"""Where the engine is, by the rules of the docker CLI: DOCKER_HOST, else the current context, else the usual socket.

A unix socket is spoken to directly. All else (tcp with certificates, ssh) is left to ``docker system dial-stdio``, which knows how.
Standard library only: `removal` runs without anything installed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ...core.errors import PlatformError, UsageError

USUAL = "unix:///var/run/docker.sock"
_INSPECT_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineAddress:
    """`url` as DOCKER_HOST has it; `context`: the CLI's name for it, where it has one (and the certificates that go with it)."""

    url: str
    context: str = ""

    @property
    def socket(self) -> Path | None:
        """The unix socket, where it is one."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None

    @property
    def host(self) -> str:
        """The machine that published ports are on."""
        return "127.0.0.1" if self.socket is not None else urlsplit(self.url).hostname or self.url

    def dial(self) -> list[str]:
        """A command whose standard input and output are a connection to the engine."""
        which = ["--context", self.context] if self.context else ["--host", self.url]
        return ["docker", *which, "system", "dial-stdio"]

    @property
    def word(self) -> str:
        """All of it in one word; see `from_word`."""
        return f"{self.url}#{self.context}" if self.context else self.url

    @classmethod
    def from_word(cls, word: str) -> EngineAddress:
        """What `word` says."""
        url, _, context = word.partition("#")
        return cls(url=url, context=context)


def resolve(environment: Mapping[str, str] | None = None) -> EngineAddress:
    """The engine that docker would speak to. Raises PlatformError for a context that cannot be read."""
    given = os.environ if environment is None else environment
    if url := given.get("DOCKER_HOST"):
        return EngineAddress(url=url if "://" in url else f"tcp://{url}")
    context = given.get("DOCKER_CONTEXT") or _current(given)
    if context in ("", "default"):
        return EngineAddress(url=USUAL)
    argv = ["docker", "context", "inspect", context, "--format", "{{.Endpoints.docker.Host}}"]
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, timeout=_INSPECT_S, check=False, env=dict(given))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"the docker context {context!r} cannot be read: {error}") from error
    if asked.returncode != 0:
        raise PlatformError(f"the docker context {context!r} cannot be read: {asked.stderr.strip()}")
    return EngineAddress(url=asked.stdout.strip(), context=context)


def _current(environment: Mapping[str, str]) -> str:
    """The context that the CLI's configuration names."""
    home = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME", "/")) / ".docker")
    try:
        found = json.loads((Path(home) / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("currentContext") or "") if isinstance(found, dict) else ""


def same_machine(info: Mapping[str, object]) -> bool:
    """Whether an engine runs under this kernel. That its containers' processes can be seen is asked of each, too."""
    here = os.uname()
    return info.get("KernelVersion") == here.release and info.get("Name") in (here.nodename, "", None)


def refuse_unless_allowed(host: str, allow: Sequence[str]) -> None:
    """Nobody's production is hurt: an engine elsewhere is named on purpose. Raises UsageError."""
    if host not in (*allow, "127.0.0.1", "localhost", "::1"):
        raise UsageError.simple(
            f"the Docker engine is on {host}, which is not this machine, and the stack does not allow it",
            f"if it is yours to test: stack: {{compose: ..., allow: [{host}]}}",
        )
