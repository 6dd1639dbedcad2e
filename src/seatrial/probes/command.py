"""Probe `command`: a program's exit status and output; here, or where the target runs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..core.errors import NotExercised
from ..core.expressions import Missing, Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import TEXT, Field, choice, list_of, union
from ..core.vocabulary import Verb
from ..core.writing import always_writes

_SHOWN = 4096
_MOST = 4 * 1024 * 1024
_GATE = 'read -r _ && exec "$@" < "$0"'  # it waits until it is owned; nobody to let it through, and it ends

VERB = Verb(
    name="command",
    doc="A program, without a shell. An exit status that is not 0 is a value like any other.",
    what=union(TEXT, list_of(TEXT, lenient=False)),
    observes={"exit": Type.NUMBER, "stdout": Type.TEXT, "stderr": Type.TEXT, "json": Type.ANY},
    run="seatrial.probes.command:run",
    arguments={
        "where": Field(shape=choice("here", "there"), doc="Here, or where the target runs (default with `at`)."),
        "stdin": Field(shape=TEXT, doc="Given to it."),
        "directory": Field(shape=TEXT, doc="Where it runs here (the current directory)."),
    },
    default_expect="exit == 0",
    needs_target=False,
    example="command: pg_dump --version",
    asks=False,
    writes=always_writes,
)


async def run(request: ProbeRequest) -> Observation:
    """One run."""
    try:
        argv = words(request.what)
    except ValueError as error:
        return probe_error("spec", f"{request.what}: {error}")
    record: dict[str, object] = {"command": shlex.join(argv)}
    there = request.arguments.get("where", "there" if request.reach.name else "here") == "there"
    stdin = str(request.arguments.get("stdin", ""))
    try:
        if there:
            answer = await request.around.execute(argv, request.timeout_ns, stdin)
            status, out, err, late = answer.exit_status, answer.stdout, answer.stderr, answer.timed_out
        else:
            status, out, err, late = await _here(argv, request, stdin)
    except NotExercised as error:
        return probe_error("not-exercised", str(error))
    except OSError as error:
        return probe_error("no-program", f"{error.filename or argv[0]}: {error.strerror or error}", record)
    record |= {"exit": status, "stdout": out[-_SHOWN:], "stderr": err[-_SHOWN:]}
    if late:
        return target_error("timeout", f"{argv[0]} had not ended in time", record)
    values: dict[str, object] = {"exit": status, "stdout": out, "stderr": err, "json": _json(out)}
    last = (err.strip() or out.strip()).splitlines()[-1:] or [""]
    return value(values, record, f"{argv[0]} ended with {status}: {last[0][:160]}")


def words(what: object) -> list[str]:
    """The command line in words. Raises ValueError for one that has none, or a quote that does not end."""
    argv = (
        [str(w) for w in what] if isinstance(what, Sequence) and not isinstance(what, str) else shlex.split(str(what))
    )
    if not argv:
        raise ValueError("no program is named")
    return argv


async def _here(argv: list[str], request: ProbeRequest, stdin: str) -> tuple[int, str, str, bool]:
    """In a group of its own, which ends with it, with its time, and with ours.

    Its output goes to files: what it had said when its time was over is evidence too, and a child that it leaves behind
    with its output open keeps nobody waiting.
    """
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    directory = request.arguments.get("directory")
    program = shutil.which(argv[0], path=environment["PATH"]) if os.sep not in argv[0] else argv[0]
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    if os.sep in program and not directory and not os.access(program, os.X_OK):
        code = errno.EACCES if os.path.exists(program) else errno.ENOENT  # noqa: PTH110
        raise OSError(code, os.strerror(code), program)
    with tempfile.NamedTemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.flush()
        gate, key = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", _GATE, given.name, *argv, stdin=gate, stdout=out, stderr=err, env=environment,
                cwd=str(directory) if directory else None, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(key)
            raise
        finally:
            os.close(gate)
        late = False
        try:
            try:
                await request.around.own(process.pid, f"command {argv[0]}")
                os.write(key, b"\n")
            finally:
                os.close(key)
            async with asyncio.timeout(request.timeout_ns / 1e9):
                await process.wait()
        except TimeoutError:
            late = True
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        status = -1 if late or process.returncode is None else process.returncode
        return status, _content(out), _content(err), late


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST).decode(errors="replace")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return Missing("the output is not JSON")
