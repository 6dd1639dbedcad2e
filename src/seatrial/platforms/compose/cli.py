"""The docker compose command: what it is called with, and its errors in its own words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ...core.compose import ComposeProject
from ...core.errors import Problem, UsageError

CONFIG_S = 60.0
_HINT = "Docker Compose v2 is wanted: `docker compose version` must work (Debian: scripts/install-docker; elsewhere docs.docker.com)"
_PROGRESS = re.compile(r"(Container|Network|Volume|Service|Image) \S+ +[A-Z][a-z]+.*|#\d+ .*|[a-f0-9]{12} .*")
_NOISE = ("time=", "WARN[", "warning:")


def command(project: ComposeProject, name: str = "") -> list[str]:
    """docker compose with its global options; a subcommand follows. Nothing in it is secret."""
    argv = ["docker", "compose", "--ansi", "never", "--project-directory", str(project.directory)]
    argv += ["--project-name", name] if name else []
    for file in project.files:
        argv += ["--file", str(file)]
    for profile in project.profiles:
        argv += ["--profile", profile]
    for file in project.env_files:
        argv += ["--env-file", str(file)]
    return argv


def running(file: Path, name: str, directory: Path) -> list[str]:
    """The same for a project that was written out whole."""
    argv = ["docker", "compose", "--ansi", "never", "--progress", "plain", "--project-directory", str(directory)]
    return [*argv, "--project-name", name, "--file", str(file)]


def read(project: ComposeProject, environment: Mapping[str, str], name: str = "") -> str:
    """The project as Compose understands it: YAML, everything interpolated. No engine is asked.

    Raises UsageError with Compose's own message for what it refuses, and with a hint where there is no Compose.
    """
    argv = [*command(project, name), "config"]
    try:
        asked = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CONFIG_S,
            check=False,
            env=dict(environment),
        )
    except OSError as error:
        raise UsageError.simple(f"docker compose cannot be run: {error.strerror}", _HINT) from error
    except subprocess.TimeoutExpired:
        raise UsageError.simple(f"docker compose config did not end within {CONFIG_S:.0f} s") from None
    if asked.returncode == 0:
        return asked.stdout
    said = own_words(asked.stderr)
    if "unknown command: docker compose" in said or "is not a docker command" in said or "unknown flag" in said:
        raise UsageError.simple("this docker has no compose plugin", _HINT)
    shown = ", ".join(str(f) for f in project.files)
    raise UsageError(Problem(message=f"docker compose does not take {shown}: {said}"))


def own_words(said: str) -> str:
    """What Compose said went wrong, without its warnings."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(_NOISE) and not _PROGRESS.fullmatch(line)]
    return "\n  ".join((kept or lines)[-12:]) or "it said nothing"
