"""What goes over the keeper's socket: one JSON object a line.

Requests ``{"id": 7, "do": "kill", "with": {...}}``, answers ``{"id": 7, "ok": ...}`` or ``{"id": 7, "error": "text"}``,
and pushed ``{"event": "unit", "unit": {...}}``. Numbers are ns where a field ends in ``_ns``.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import CommandResult, Residue, Restart, Surroundings, UnitOrder, UnitState, UnitStatus

from .records import as_fields, process_in

LINE_BYTES = 64 << 20
HEARTBEAT_LIMIT_NS = 30_000_000_000
HEARTBEAT_NS = 2_000_000_000
_SOCKET_PATH_BYTES = 107

# Messages are what json.loads gives; readers below check them field by field and raise KeyError, TypeError, ValueError.
Message = dict[str, Any]


def encode(message: Mapping[str, object]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line. Raises ValueError for anything but a JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def write_surroundings(surroundings: Surroundings) -> Message:
    """Surroundings as a message."""
    return {
        "directory": str(surroundings.directory),
        "environment": dict(surroundings.environment),
        "unprivileged": surroundings.unprivileged,
        "hosts": dict(surroundings.hosts),
    }


def read_surroundings(message: Message) -> Surroundings:
    """And back."""
    return Surroundings(
        directory=Path(message["directory"]),
        environment=_texts(message["environment"]),
        unprivileged=bool(message["unprivileged"]),
        hosts=_texts(message["hosts"]),
    )


def write_order(order: UnitOrder) -> Message:
    """An order as a message."""
    return {
        "name": order.name,
        "argv": [str(word) for word in order.argv],
        "surroundings": write_surroundings(order.surroundings),
        "log": str(order.log),
        "restart": str(order.restart),
        "backoff_ns": order.backoff_ns,
        "backoff_max_ns": order.backoff_max_ns,
        "stop_signal": int(order.stop_signal),
        "stop_timeout_ns": order.stop_timeout_ns,
        "stays": order.stays,
    }


def read_order(message: Message) -> UnitOrder:
    """And back."""
    return UnitOrder(
        name=str(message["name"]),
        argv=tuple(str(word) for word in message["argv"]),
        surroundings=read_surroundings(message["surroundings"]),
        log=Path(message["log"]),
        restart=Restart(message["restart"]),
        backoff_ns=int(message["backoff_ns"]),
        backoff_max_ns=int(message["backoff_max_ns"]),
        stop_signal=int(message["stop_signal"]),
        stop_timeout_ns=int(message["stop_timeout_ns"]),
        stays=bool(message.get("stays", True)),
    )


def write_status(status: UnitStatus) -> Message:
    """A unit's status as a message."""
    return {
        "name": status.name,
        "state": str(status.state),
        "process": as_fields(status.process) if status.process else None,
        "restarts": status.restarts,
        "exit_status": status.exit_status,
        "since_ns": status.since_ns,
        "names_resolve": status.names_resolve,
    }


def read_status(message: Message) -> UnitStatus:
    """And back."""
    return UnitStatus(
        name=message["name"],
        state=UnitState(message["state"]),
        process=process_in(message["process"]) if message["process"] else None,
        restarts=message["restarts"],
        exit_status=message["exit_status"],
        since_ns=message["since_ns"],
        names_resolve=message["names_resolve"],
    )


def write_result(result: CommandResult) -> Message:
    """A command's result as a message."""
    return {
        "exit_status": result.exit_status,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "took_ns": result.took_ns,
        "timed_out": result.timed_out,
    }


def read_result(message: Message) -> CommandResult:
    """And back."""
    return CommandResult(
        exit_status=message["exit_status"],
        stdout=message["stdout"],
        stderr=message["stderr"],
        took_ns=message["took_ns"],
        timed_out=message["timed_out"],
    )


def read_residue(message: Message) -> Residue:
    """What `records.residue_fields` has written."""
    return Residue(
        processes=tuple(message["processes"]),
        ports=tuple(message["ports"]),
        directories=tuple(message["directories"]),
        memory=tuple(message["memory"]),
        others=tuple(message.get("others", ())),
    )


def socket_path() -> Path:
    """A fresh path for a socket in a private directory of this user: the path must be short, a trial's may be deep.

    Raises SupervisorError if there is no such directory.
    """
    user = os.geteuid()
    for directory in (Path(f"/run/user/{user}"), Path(f"/tmp/seatrial-{user}")):  # noqa: S108 - checked below
        if directory.parent.name == "tmp":
            with suppress(OSError):
                directory.mkdir(mode=0o700, exist_ok=True)
        if not _private(directory, user):
            continue
        path = directory / f"seatrial-{secrets.token_hex(6)}.sock"
        if len(os.fsencode(path)) < _SOCKET_PATH_BYTES:
            return path
    raise SupervisorError(f"no private directory for the keeper's socket: /tmp/seatrial-{user} belongs to someone else")


def _private(directory: Path, user: int) -> bool:
    try:
        stat = directory.lstat()
    except OSError:
        return False
    usable = directory.is_dir() and not directory.is_symlink() and os.access(directory, os.W_OK | os.X_OK)
    return usable and stat.st_uid == user and not stat.st_mode & 0o077


def _texts(message: Message) -> dict[str, str]:
    return {str(key): str(value) for key, value in message.items()}
