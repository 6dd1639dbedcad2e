"""The project as it is brought up: what Compose made of its files, written out whole, with labels that say whose it is.

A file of our own instead of one laid over theirs: lists of Compose can only grow under an overlay, and whoever ends the project needs
neither the environment nor the secrets that it was read with. It holds secrets, is for its owner alone, and goes with the trial.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...core.compose import EXTENSION, ComposeProject
from ...core.errors import PlatformError
from ...core.templates import render, template_names
from .config import Config, Service, inside

TRIAL = "dev.seatrial.trial"
_RESTART = {"never": "no", "always": "always", "on-failure": "on-failure"}
_LONGEST = 24
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")


def own_name(stack: str, directory: Path) -> str:
    """A project's name for a trial alone: ``seatrial-shop-3fa9c1b2``, by the stack's name and the trial's directory."""
    slug = _NOT_IN_NAMES.sub("-", stack.lower())[:_LONGEST].strip("-_") or "stack"
    return f"seatrial-{slug}-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]}"


def build(
    config: Config,
    project: ComposeProject,
    *,
    name: str,
    trial: str,
    secret: Callable[[str], str],
    pin: Callable[[str, int], int] | None,
) -> dict[str, Any]:
    """The project's content as it is to be. `pin(service, port)` gives a port of this machine to keep for one that the engine would
    choose anew at each start: clients outlive restarts then. None: none is. Raises PlatformError for an overlay that cannot be met.
    """
    content = copy.deepcopy(dict(config.content))
    content["name"] = name
    label = {TRIAL: trial}
    images = _images(config, name)
    for service in config.services.values():
        each = content["services"][service.name] = content["services"][service.name] or {}
        each.pop("profiles", None)  # chosen already
        each["labels"] = {**(each.get("labels") or {}), **label}
        if isinstance(each.get("build"), dict):
            each["build"]["labels"] = {**(each["build"].get("labels") or {}), **label}
            each["build"].pop("tags", None)
        if service.image in images:
            each["image"] = images[service.image]
        if service.part_of in project.overlay and not service.job:
            _lay(each, service, project.overlay[service.part_of], project, config, secret)
        if pin is not None:
            _pin(each, service, pin)
    for part in ("networks", "volumes"):
        for key, each in (content.get(part) or {}).items():
            found = dict(each or {})
            if not found.get("external"):
                found["labels"] = {**(found.get("labels") or {}), **label}
                if (given := str(found.get("name") or "")) and not given.startswith(f"{name}_"):
                    found["name"] = f"{name}_{given}"  # what is called so may hold the user's own data
            content[part][key] = found
    return content


def write(content: Mapping[str, Any], path: Path) -> None:
    """Write it down, for this user alone; JSON is YAML. Compose reads ``$$`` as one ``$``."""
    text = json.dumps(_escaped(content), indent=1)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(text)


def _images(config: Config, name: str) -> Mapping[str, str]:
    """Names for the images that the project builds: those of its files may be the user's, built by hand, and are left alone."""
    built = [s.image for s in config.services.values() if s.built and s.image]
    return {image: f"{name}-{_NOT_IN_NAMES.sub('-', image.lower()).strip('-_')}" for image in built}


def _pin(each: dict[str, Any], service: Service, pin: Callable[[str, int], int]) -> None:
    if service.declaration.replicas != 1:
        return  # they cannot share one, and a range does not say who has which
    for port in each.get("ports") or []:
        if port.get("protocol", "tcp") == "tcp" and str(port.get("published") or "0") == "0":
            port["published"] = str(pin(service.name, int(port["target"])))
            port.setdefault("host_ip", "127.0.0.1")


def _lay(
    each: dict[str, Any],
    service: Service,
    overlay: Mapping[str, object],
    project: ComposeProject,
    config: Config,
    secret: Callable[[str], str],
) -> None:
    """Lay a variant's words for a service over it."""
    laid = render(dict(overlay), _values(service, overlay, project, config), secret)
    assert isinstance(laid, dict)
    environment = dict(each.get("environment") or {})
    for variable, value in (laid.get("environment") or {}).items():
        environment[variable] = None if value is None else str(value)
    each["environment"] = {
        k: v for k, v in environment.items() if v is not None or k not in (laid.get("environment") or {})
    }
    if "command" in laid:
        command = laid["command"]
        each["command"] = [str(w) for w in command] if isinstance(command, (list, tuple)) else str(command)
    if "replicas" in laid:
        each["deploy"] = {**(each.get("deploy") or {}), "replicas": _share(service, int(laid["replicas"]), config)}
        each.pop("scale", None)
    if "restart" in laid:
        each["restart"] = _RESTART[str(laid["restart"])]
        each.get("deploy", {}).pop("restart_policy", None)


def _share(service: Service, wanted: int, config: Config) -> int:
    """How many of the wanted copies are this service's: where several services are one, the first ones have one each."""
    names = [m.name for m in config.members()[service.part_of]]
    if len(names) == 1:
        return wanted
    if wanted > len(names):
        raise PlatformError(
            f"{service.part_of} is {len(names)} services ({', '.join(names)}): it cannot have {wanted} copies"
        )
    return int(names.index(service.name) < wanted)


def _values(
    service: Service, overlay: Mapping[str, object], project: ComposeProject, config: Config
) -> Mapping[str, object]:
    """What templates of a stack file mean in its containers."""
    ports = {name: port.number for name, port in service.endpoints.items()}
    directory = inside(service, project.directory, config.settings.get("directory"))
    if directory is None and "stack" in template_names(dict(overlay)):
        raise PlatformError(
            f"{service.name}: {{{{ stack.directory }}}} is nowhere in its containers: mount it "
            f'(volumes: [".:/stack:ro"]), or say where the image has it ({EXTENSION}: {{directory: /srv/shop}})'
        )
    return {
        "stack": {"directory": directory or "", "name": config.name},
        "instance": {"port": ports, "name": f"{service.part_of}#1", "ordinal": 1},
        "port": ports,
    }


def _escaped(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree.replace("$", "$$")
    if isinstance(tree, Mapping):
        return {key: _escaped(value) for key, value in tree.items()}
    return [_escaped(value) for value in tree] if isinstance(tree, (list, tuple)) else tree
