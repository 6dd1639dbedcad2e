"""Locust as it is, in this process: its own command line, the user's file unchanged, and listeners that count its requests.

Its exit status is its verdict: a `quitting` handler's, or that of requests that failed (--exit-code-on-error). What broke in the
file's own code is no verdict.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import signal
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from ..arrivals.workers import aside
from .tool import (
    CLIENT_ERROR,
    CLOSED,
    NAME,
    PROTOCOL,
    REFUSED,
    RESET,
    SCRIPT,
    SERVER_ERROR,
    STOP_S,
    TICK_S,
    TIMEOUT,
    TLS,
    Tally,
    left,
)

_CHECKED_NS = 3_600_000_000_000  # what the file thinks of an answer it says after it: so much later at most
_LEAVE_S = 10
_KEPT = 1000  # different words of failed requests
_ADDRESS = re.compile(r"0x[0-9a-f]+")  # of an object, another one each time
_GRACE_S = 1.0  # beyond the time it was given: a shape that goes on is ended
_KINDS = (
    (ConnectionRefusedError, REFUSED),
    (ConnectionResetError, RESET),
    (BrokenPipeError, RESET),
    (TimeoutError, TIMEOUT),
)
_WORDS = (
    (("timeout", "timedout"), TIMEOUT), (("ssl", "certificate"), TLS), (("nameresolution", "gaierror"), NAME), (("refused",), REFUSED),
    (("reset",), RESET), (("remotedisconnected", "connectionclosed", "incompleteread", "endofstream"), CLOSED),
    (("chunkedencoding", "contentdecoding", "protocolerror", "badstatusline", "httpparse"), PROTOCOL),
)  # fmt: skip


def code_of(error: BaseException, status: int) -> int:
    """The code of a failed request, from what was raised and the status of its answer (0: there was none)."""
    if status >= 400:
        return SERVER_ERROR if status >= 500 else CLIENT_ERROR
    if status:
        return SCRIPT  # answered well, and not good enough for the file's own check
    chain = list(_chain(error))
    for one in chain:
        for kind, code in _KINDS:
            if isinstance(one, kind):
                return code
    names = " ".join(c.__name__ for one in reversed(chain) for c in type(one).__mro__).lower()
    for words, code in _WORDS:
        if any(w in names for w in words):
            return code
    return CLOSED if "connection" in names else SCRIPT


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was made of."""
    found, queue = list[BaseException](), [error]
    while queue and len(found) < 20:
        one = queue.pop(0)
        if one in found:
            continue
        found.append(one)
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        queue += [i for i in inner if isinstance(i, BaseException)]
    yield from found


def command(config: Mapping[str, Any]) -> list[str]:
    """Locust's command line; the file's own arguments come last, and win."""
    prefix = config["prefix"]
    made = ["locust", *config["classes"], "-f", config["tool"], "--headless", "--host", config["url"]]
    made += ["--users", str(config["users"])] if config["users"] else []
    made += ["--spawn-rate", f"{config['spawn_rate']:g}"] if config["spawn_rate"] else []
    made += ["--run-time", f"{config['for_ns'] // 1_000_000_000}s"] if config["for_ns"] else []
    made += ["--csv", prefix, "--html", f"{prefix}.html", "--json-file", prefix, "--only-summary"]
    made += ["--tags", *config["tags_wanted"]] if config["tags_wanted"] else []
    made += ["--exclude-tags", *config["tags_skipped"]] if config["tags_skipped"] else []
    return made + list(config["arguments"])


class Watch:
    """Listens to Locust."""

    def __init__(self, config: Mapping[str, Any], gevent: Any) -> None:
        self._config = config
        self._gevent = gevent
        self._environment: Any = None
        self.tally: Tally | None = None
        self.stopped = False  # as ordered
        self._broken: Counter[str] = Counter()  # in the file's own code
        self._failed: Counter[str] = Counter()  # requests
        self._asserted = False
        self._said = _Said()

    def listen(self, events: Any) -> None:
        """Before the file is imported: first among those who hear."""
        events.init.add_listener(self._on_init)
        events.test_start.add_listener(self._on_start)
        events.request.add_listener(self._on_request)
        events.user_error.add_listener(self._on_user_error)
        events.spawning_complete.add_listener(lambda **_: self._look())
        events.test_stop.add_listener(lambda **_: self._said.lines.clear())  # what comes now is of `quitting` handlers

    def _on_init(self, environment: Any, **_: Any) -> None:
        self._environment = environment
        for name in ("", "locust"):
            logging.getLogger(name).addHandler(self._said)

    def _on_start(self, **_: Any) -> None:
        if self.tally is not None:
            return
        self.tally = Tally(self._config, time.monotonic_ns())
        if self._config["for_ns"]:
            self._gevent.spawn_later(self._config["for_ns"] / 1e9 + _GRACE_S, self.quit)

    def _on_request(
        self,
        request_type: str = "",
        name: str = "",
        response_time: float | None = None,
        response_length: int | None = None,
        exception: BaseException | None = None,
        response: Any = None,
        start_time: float | None = None,
        **_: Any,
    ) -> None:
        if self.tally is None:
            return
        now, took = time.monotonic_ns(), int((response_time or 0) * 1e6)
        since = int((time.time() - start_time) * 1e9) if start_time is not None else took
        began = now - (since if took <= since < took + _CHECKED_NS else took)
        error = 0
        if exception is not None:
            status = getattr(response, "status_code", 0)
            error = code_of(exception, status if isinstance(status, int) else 0)
            said = f"{request_type} {name}: {_ADDRESS.sub('0x…', str(exception))}"
            self._failed[said if said in self._failed or len(self._failed) < _KEPT else "others"] += 1
        self.tally.request(f"{request_type} {name}".strip(), began, took, error, int(response_length or 0))

    def _on_user_error(self, exception: BaseException, tb: TracebackType | None = None, **_: Any) -> None:
        self._asserted |= isinstance(exception, AssertionError)
        self._broken[_said_of(exception, tb, Path(self._config["directory"]))] += 1

    def _look(self) -> None:
        runner = self._environment.runner if self._environment is not None else None
        if self.tally is not None and runner is not None:
            self.tally.running(int(runner.user_count), int(runner.target_user_count))

    def tick(self) -> None:
        """Each 100 ms."""
        self._look()
        if self.tally is not None:
            self.tally.tick()

    def quit(self) -> None:
        """End it as Locust does when its time is over, within STOP_S; before it has begun there is nothing to end gracefully."""
        if self._environment is None or self._environment.runner is None:
            os._exit(1)
        signal.alarm(int(STOP_S))
        self._environment.runner.quit()

    def judge(self, status: object) -> tuple[bool | None, str]:
        """Locust's own verdict, by its exit status."""
        if status in (None, 0):
            return True, "Locust ended with 0" + (f"; of its own code {_first(self._broken)}" if self._broken else "")
        said = "; ".join(self._said.lines)
        if self._environment is not None and self._environment.process_exit_code is not None:
            return False, f"its own code set the exit status {status}" + (f": {said}" if said else "")
        failed = self._environment is not None and self._environment.runner.errors
        if failed or self._asserted:
            found = self._failed if failed else self._broken
            what = "requests failed" if failed else "assertions failed"
            return False, f"{found.total():,} {what} (exit status {status}): {_first(found)}"
        return None, f"Locust ended with {status}: {_first(self._broken) or said or 'it says no more'}"


class _Said(logging.Handler):
    """Keeps the last errors that were logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: deque[str] = deque(maxlen=3)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage().strip())


def _first(found: Counter[str]) -> str:
    return "; ".join(f"{words} ({count:,} times)" if count > 1 else words for words, count in found.most_common(3))


def _said_of(error: BaseException, tb: TracebackType | None, directory: Path) -> str:
    """file:line: what went wrong."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{_place(error, tb, directory)}{type(error).__name__}: {said}"


def _place(error: BaseException, tb: TracebackType | None, directory: Path) -> str:
    """The place in the user's own files, where there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, directory)}:{error.lineno}: "
    for frame in reversed(traceback.extract_tb(tb)):
        file = Path(frame.filename)
        if file.is_relative_to(directory) and "site-packages" not in file.parts:
            return f"{_shown(frame.filename, directory)}:{frame.lineno}: "
    return ""


def _shown(file: str, directory: Path) -> str:
    return str(Path(file).relative_to(directory)) if Path(file).is_relative_to(directory) else file


def read_configuration() -> tuple[Mapping[str, Any], int]:
    """(the first line of standard input, the descriptor of the orders that follow): what reads standard input finds nothing."""
    orders = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    line = b""
    while not line.endswith(b"\n"):
        one = os.read(orders, 1)
        if not one:
            sys.exit(0)  # whoever started it is gone
        line += one
    found: Mapping[str, Any] = json.loads(line)
    return found, orders


def _told(orders: int) -> None:
    """Returns at the order to stop, and at the end of the orders; others go on meanwhile."""
    said = b""
    while True:
        select.select([orders], [], [])  # gevent's: only this greenlet waits
        more = os.read(orders, 4096)
        said += more
        if not more or any(json.loads(x).get("order") == "stop" for x in said.splitlines() if x.endswith(b"}")):
            return


def fit(parser: Any) -> None:
    """Raises SystemExit where its configuration (a file, the environment) spreads Locust over several processes; leaves out of the
    command line what an older one does not know.
    """
    options, _ = parser.parse_known_args()
    for name in ("processes", "master", "worker"):
        if getattr(options, name, None):
            sys.exit(f"Locust is configured with {name}: its requests can be counted in one process only")
    if not hasattr(options, "json_file"):
        at = sys.argv.index("--json-file")
        del sys.argv[at : at + 2]


def run() -> None:
    """Run Locust to its end; says what it thought."""
    config, orders = read_configuration()
    aside()
    os.environ.update(config["environment"])
    os.chdir(config["directory"])
    sys.argv = command(config)
    gevent, locust = import_module("gevent"), import_module("locust")
    watch = Watch(config, gevent)
    watch.listen(locust.events)
    helpers = [gevent.spawn(_ticking, gevent, watch), gevent.spawn(_stopping, watch, orders)]
    passed, words = _run(watch, Path(config["directory"]))
    for helper in helpers:
        helper.kill()
    signal.alarm(_LEAVE_S)  # whatever the file has left running
    if watch.tally is None:
        sys.exit(words or 1)  # the last words of a generator that did not start; without them the last ones of Locust
    watch.tally.close(passed, words, left(Path(config["prefix"])), broke_off=passed is None and not watch.stopped)


def _run(watch: Watch, directory: Path) -> tuple[bool | None, str]:
    try:
        fit(import_module("locust.argument_parser").get_parser())
        import_module("locust.main").main()
    except SystemExit as ended:
        if watch.tally is not None:
            return watch.judge(ended.code)
        where = _place(ended, ended.__traceback__, directory)
        return None, ended.code if isinstance(ended.code, str) else f"{where}SystemExit: {ended.code}" if where else ""
    except BaseException as error:  # noqa: BLE001 - the file's own, while it was imported
        traceback.print_exc()
        return None, _said_of(error, error.__traceback__, directory)
    return True, "Locust ended"


def _ticking(gevent: Any, watch: Watch) -> None:
    while True:
        gevent.sleep(TICK_S)
        watch.tick()


def _stopping(watch: Watch, orders: int) -> None:
    _told(orders)
    watch.stopped = True
    watch.quit()


__all__: Sequence[str] = ("Watch", "code_of", "command", "run")
