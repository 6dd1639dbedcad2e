"""Undoes what was done to containers: ``python -m seatrial.platforms.compose.removal ENGINE ...``, with one of

    project NAME TRIAL
    start ID RUN WATCH
    unpause ID RUN WATCH
    update ID SETTINGS WATCH
    connect ID NETWORK ENDPOINT WATCH

WATCH: for how many seconds an order may be on its way; 0: what is there is undone, once. A remedy's command (see
seatrial.keeper.remedies): it needs the standard library and the engine alone, may be run again, and says on standard error what resists.
ENGINE is an address as DOCKER_HOST has it (with the name of its context: ``tcp://shop.test:2376#shop``).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from .address import EngineAddress
from .holding import group_of, noted, tight

WITHIN_S = 50.0
_CALL_S = 30.0
_PAUSE_S = 0.25
_SETTLED_S = 5.0  # after limits were given back: so long a start, or another order, may have been under way
_OFTEN = 20
_AT_ONCE = 8
_QUIET = 2  # looks in a row that found nothing: an order that was on its way may still make something
_PROJECT = "com.docker.compose.project"
_TRIAL = "dev.seatrial.trial"


class Refused(Exception):  # noqa: N818 - what the engine says, which may be as it should
    """The engine's answer to a call, with its status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said or f"status {status}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket, or over a command that dials."""

    def __init__(self, address: EngineAddress) -> None:
        super().__init__("docker", timeout=_CALL_S)
        self._address = address
        self._dialled: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Open it."""
        if self._address.socket is not None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(_CALL_S)
            self.sock.connect(str(self._address.socket))
            return
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(_CALL_S)
        with theirs:
            self._dialled = subprocess.Popen(self._address.dial(), stdin=theirs.fileno(), stdout=theirs.fileno())

    def close(self) -> None:
        """End it, and the command."""
        super().close()
        if self._dialled is not None:
            self._dialled.kill()
            self._dialled.wait()
            self._dialled = None


def call(address: EngineAddress, method: str, path: str, body: object = None, **query: object) -> Any:
    """One call, with an object of JSON where there is a body. Raises Refused, OSError where there is no engine."""
    given = "&".join(f"{k}={quote(json.dumps(v) if isinstance(v, dict) else str(v))}" for k, v in query.items())
    connection = _Connection(address)
    try:
        text = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, f"{path}?{given}" if given else path, body=text, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"the engine at {address.url} broke off: {error!r}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            raise Refused(answer.status, json.loads(content)["message"])
        raise Refused(answer.status, content.decode("utf-8", "replace").strip())
    return json.loads(content) if content.strip() and "json" in answer.headers.get("Content-Type", "") else None


# -- a project


def belongings(address: EngineAddress, project: str, trial: str) -> Iterator[tuple[str, str, str]]:
    """What there is of a project: what it is, how it is removed, its name for people. Images are those that were built for the trial."""
    mine = {"label": [f"{_PROJECT}={project}"]}
    for each in call(address, "GET", "/containers/json", all=1, filters=mine):
        yield "container", f"/containers/{each['Id']}?force=1&v=1", each["Names"][0].lstrip("/")
    for each in call(address, "GET", "/networks", filters=mine):
        yield "network", f"/networks/{each['Id']}", each["Name"]
    for each in call(address, "GET", "/volumes", filters=mine).get("Volumes") or []:
        yield "volume", f"/volumes/{quote(each['Name'])}?force=1", each["Name"]
    if trial:
        built = {"label": [f"{_TRIAL}={trial}"]}
        for each in call(address, "GET", "/images/json", filters=built):
            for tag in [t for t in each.get("RepoTags") or [] if t != "<none>:<none>"] or [each["Id"]]:
                yield "image", f"/images/{quote(tag)}?force=1", tag


def remove_project(address: EngineAddress, project: str, trial: str, within_s: float = WITHIN_S) -> list[str]:
    """Remove all of it, until nothing more turns up; what resists, and why."""
    deadline = time.monotonic() + within_s
    quiet = 0
    resisting: dict[str, str] = {}
    while True:
        found = list(belongings(address, project, trial))
        quiet = quiet + 1 if not found else 0
        if quiet >= _QUIET:
            return []
        resisting = {}
        for what in ("container", "network", "volume", "image"):  # each needs those before it gone
            these = [(path, name) for kind, path, name in found if kind == what]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                refusals = pool.map(lambda one: _remove(address, one[0]), these)
            resisting |= {f"{what} {n}": why for (_, n), why in zip(these, refusals, strict=True) if why}
        if time.monotonic() >= deadline:
            left = [f"{what} {name}" for what, _, name in belongings(address, project, trial)]
            return [f"{name} of project {project}: {resisting.get(name, 'is still there')}" for name in left]
        if resisting or not found:
            time.sleep(_PAUSE_S)


def _remove(address: EngineAddress, path: str) -> str:
    """Why it cannot be removed, or nothing."""
    try:
        call(address, "DELETE", path)
    except Refused as error:
        return "" if error.status == 404 else str(error)
    return ""


# -- a container


def release(address: EngineAddress, act: str, container: str, run: str, watch: str) -> list[str]:
    """Start it again (`start`), or let it go on (`unpause`); one that is gone needs nothing.

    `run`: when it had been started, as the engine has it, before it was stopped or paused. The order may still be on its way when whoever
    gave it is killed: while that run is seen to go on undisturbed, it is looked at again, for `watch` seconds.
    """
    deadline = time.monotonic() + float(watch)
    try:
        while True:
            state = call(address, "GET", f"/containers/{container}/json")["State"]
            if state["Paused" if act == "unpause" else "Running"] is (act == "unpause"):
                call(address, "POST", f"/containers/{container}/{act}")
                return []
            if state["StartedAt"] != run or time.monotonic() >= deadline:
                return []
            time.sleep(_PAUSE_S)
    except Refused as error:
        gone, so_already = error.status == 404, "not paused" in str(error) or error.status == 304
        return [] if gone or so_already else [f"container {container[:12]} cannot be {act}ed: {error}"]


def connect(address: EngineAddress, container: str, network: str, endpoint: str, watch: str) -> list[str]:
    """Put it back into a network, with what is kept of its connection (an object of JSON); one that is gone needs nothing.

    The order that took it off may still be on its way: while it is in the network, it is looked at again, for `watch` seconds.
    """
    deadline = time.monotonic() + float(watch)
    try:
        while network in (
            call(address, "GET", f"/containers/{container}/json")["NetworkSettings"].get("Networks") or {}
        ):
            if time.monotonic() >= deadline:
                return []
            time.sleep(_PAUSE_S)
        order = {"Container": container, "EndpointConfig": json.loads(endpoint)}
        call(address, "POST", f"/networks/{quote(network)}/connect", body=order)
    except Refused as error:
        gone = error.status == 404 and container in str(error)
        there = "already exists" in str(error)
        return [] if gone or there else [f"container {container[:12]} cannot be connected to {network}: {error}"]
    return []


def update(address: EngineAddress, container: str, settings: str, watch: str) -> list[str]:
    """Give it its former limits, and see that it keeps them; one that is gone needs none.

    `settings`: an object of JSON: what of HostConfig was `asked`, and what is given `back`. Whatever the one who is gone ordered may still
    be on its way: while nothing of it is seen, it is looked at again, for `watch` seconds, and for some once more after limits were given
    back. For an engine notes an order before it hands it to the kernel; where that fails, for the container is just dying, it notes again
    what was there when the order came, whatever it was told since; and a container that is being started gets what was noted before.
    """
    words = json.loads(settings)
    deadline, given = time.monotonic() + float(watch), 0
    while True:
        late = time.monotonic() >= deadline
        try:
            details = call(address, "GET", f"/containers/{container}/json")
            group = group_of(details, words["asked"])
            held = group is not None and tight(group, words["asked"])
            if held or (noted(details, words) and (late or given or group is None)):
                if given >= _OFTEN:
                    return [f"container {container[:12]} does not keep its limits"]
                call(address, "POST", f"/containers/{container}/update", body=words["back"])
                if not float(watch):
                    return []
                given += 1
                deadline = time.monotonic() + _SETTLED_S
            elif late:
                return []
        except Refused as error:
            if error.status == 404:
                return []
            if late:
                return [f"container {container[:12]} keeps its limits: {error}"]
        time.sleep(_PAUSE_S)


def argv(address: EngineAddress, *words: str) -> list[str]:
    """The command line of a remedy."""
    return [sys.executable, "-m", "seatrial.platforms.compose.removal", address.word, *words]


def both(address: EngineAddress, watch_s: float, *words: str) -> tuple[list[str], list[str]]:
    """Those of a remedy: what undoes it now, and what watches for as long as the order may be on its way."""
    return argv(address, *words, "0"), argv(address, *words, f"{watch_s:g}")


def main(words: Sequence[str]) -> int:
    """The command."""
    address = EngineAddress.from_word(words[0])
    try:
        resisting: Iterable[str] = (
            remove_project(address, words[2], words[3])
            if words[1] == "project"
            else connect(address, *words[2:6])
            if words[1] == "connect"
            else update(address, *words[2:5])
            if words[1] == "update"
            else release(address, *words[1:5])
        )
    except (OSError, Refused) as error:
        resisting = [f"the Docker engine at {address.url}: {error}"]
    lines = list(resisting)
    for line in lines:
        sys.stderr.write(f"{line}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
