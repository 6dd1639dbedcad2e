"""The application: its commands, and how an error becomes an exit status and a message."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from .. import __version__
from ..core.errors import Interrupted, SeatrialError, UsageError

INTERRUPTED, USAGE, OWN_FAULT = 2, 3, 4
_TYPERS_WORD = 130  # for Ctrl-C

app = typer.Typer(
    name="seatrial",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prove that a deployed system is ready for production.",
    epilog="Exit status: 0 GO, 1 NO-GO, 2 INCONCLUSIVE, 3 wrong spec or usage, 4 seatrial's own fault.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"seatrial {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Prove that a deployed system is ready for production."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit status. A traceback is shown for our own faults only."""
    try:
        from . import attesting, baselines, evidence, history, linting, loads, proofs, stacks, stores, sweeps, trials  # noqa: F401 - they register their commands

        given = ["--changed=" if a == "--changed" else a for a in arguments]  # its value may be left out
        result = app(args=given, standalone_mode=False)
    except UsageError as error:
        _print_problems(error)
        return USAGE
    except Interrupted as error:
        _say(f"seatrial: {error}")
        return INTERRUPTED
    except SeatrialError as error:
        _say(f"seatrial: {error}")
        return OWN_FAULT
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort
        return _foreign(error)
    if result == _TYPERS_WORD:
        return _interrupted()
    return result if isinstance(result, int) else 0


def _interrupted() -> int:
    _say("seatrial: interrupted")
    return INTERRUPTED


def _foreign(error: Exception) -> int:
    """Click's errors are the user's; everything else is ours, and says where to report it."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return USAGE
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    import traceback

    traceback.print_exception(error)
    _say(f"seatrial {__version__}: this is a fault of seatrial's own; please report the lines above")
    return OWN_FAULT


def _print_problems(error: UsageError) -> None:
    for problem in error.problems:
        _say(str(problem))
    if len(error.problems) > 1:
        _say(f"{len(error.problems)} mistakes")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def examples(*lines: str) -> str:
    """An epilog of examples, a line each."""
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)
