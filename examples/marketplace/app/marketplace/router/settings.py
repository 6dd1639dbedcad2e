"""What can be set while the router runs. It is kept in its home, so that a restart changes nothing."""

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

log = logging.getLogger("settings")


@dataclass(frozen=True)
class Flag:
    """An A/B flag: on for these users, and for so many in a hundred."""

    users: tuple[str, ...] = ()
    percentage: float = 0.0


@dataclass(frozen=True)
class Breaker:
    """Opens after `failures` in a row, tries again after `open_s`, closes after `successes`."""

    failures: int = int(os.environ.get("ROUTER_BREAKER_FAILURES", "5"))
    open_s: float = 30.0
    successes: int = 2


@dataclass(frozen=True)
class Settings:
    """Of one router. `timeout_ms` is that of a request at the microservice, all attempts and pauses together."""

    enabled: bool = True  # false: the microservice is switched off
    percentage: float = 0.0  # of the users, who are served by the microservice
    allow: tuple[str, ...] = ()  # who is served by it at any percentage
    flags: Mapping[str, Flag] = field(default_factory=dict)
    breaker: Breaker = Breaker()
    timeout_ms: int = 500
    attempts: int = 3
    backoff_ms: int = 50

    def changed(self, given: object) -> "Settings":
        """With what is given in place of what was. Raises ValueError."""
        if not isinstance(given, dict):
            raise ValueError("settings are a JSON object")
        known = {f.name for f in fields(self)}
        for name in given:
            if name not in known:
                raise ValueError(f"there is no setting {name}; settings: {', '.join(sorted(known))}")
        new = dict(given)
        if "allow" in new:
            new["allow"] = _names(new["allow"], "allow")
        if "breaker" in new:
            new["breaker"] = _breaker(self.breaker, new["breaker"])
        if "flags" in new:
            new["flags"] = {**self.flags, **_flags(new["flags"])}
        made = replace(self, **new)
        _number(made.percentage, "percentage", 0, 100)
        for name, least in (("timeout_ms", 1), ("attempts", 1), ("backoff_ms", 0)):
            _number(getattr(made, name), name, least, 60_000)
        if not isinstance(made.enabled, bool):
            raise ValueError("enabled is true or false")
        return made


def _number(value: object, name: str, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is a number from {least} to {most}")


def _names(given: object, name: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(n, str) for n in given):
        raise ValueError(f"{name} is a list of users")
    return tuple(given)


def _breaker(now: Breaker, given: object) -> Breaker:
    if not isinstance(given, dict) or set(given) - {f.name for f in fields(Breaker)}:
        raise ValueError("breaker has failures, open_s and successes")
    for name, value in given.items():
        _number(value, name, 0.01 if name == "open_s" else 1, 86_400)
    return replace(now, **given)


def _flags(given: object) -> dict[str, Flag]:
    if not isinstance(given, dict):
        raise ValueError("flags are {name: {users: [...], percentage: 0}}")
    found = {}
    for name, flag in given.items():
        if not isinstance(flag, dict) or set(flag) - {"users", "percentage"}:
            raise ValueError(f"flag {name} has users and percentage")
        _number(flag.get("percentage", 0), f"percentage of {name}", 0, 100)
        found[name] = Flag(users=_names(flag.get("users", []), "users"), percentage=flag.get("percentage", 0))
    return found


class Kept:
    """The settings that hold now, and their file."""

    def __init__(self, initial: str, file: Path) -> None:
        self._file = file
        self.now = Settings().changed(json.loads(initial or "{}"))
        with contextlib.suppress(FileNotFoundError):
            try:
                self.now = self.now.changed(json.loads(file.read_text()))
            except ValueError as error:
                log.error("%s cannot be used: %s", file, error)

    def change(self, given: object) -> Settings:
        """From now on. Raises ValueError."""
        made = self.now.changed(given)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(asdict(made)))
        new.replace(self._file)
        self.now = made
        return made


def from_environment() -> Kept:
    """As the router is started: ROUTER_SETTINGS says what holds until somebody changes it."""
    home = Path(os.environ.get("ROUTER_HOME") or os.environ.get("HOME") or ".")
    return Kept(os.environ.get("ROUTER_SETTINGS", ""), home / "router-settings.json")
