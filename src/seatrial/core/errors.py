"""Errors. Each has a message for a person; none reaches the terminal as a traceback."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in a file; line and column count from 1, length in characters."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake of a user's: what is wrong, where, and what would be right; `rule`: that which says so, where it has a name."""

    message: str
    position: Position | None = None
    line_text: str = ""
    hint: str = ""
    rule: str = ""

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        text = f"{where}{self.message}{f' [{self.rule}]' if self.rule else ''}"
        if self.position and self.line_text:
            gutter = f"{self.position.line:>5} | "
            marker = (
                " " * (len(gutter) - 2) + "| " + " " * (self.position.column - 1) + "^" * max(1, self.position.length)
            )
            return f"{text}\n{gutter}{self.line_text}\n{marker} {self.hint}".rstrip()
        return f"{text}\n    {self.hint}" if self.hint else text


class SeatrialError(Exception):
    """Base of all errors that seatrial raises on purpose."""


class Interrupted(SeatrialError):  # noqa: N818 - what a person did rather than an error
    """Stopped by who runs it, before there was anything to judge (exit status 2)."""


class UsageError(SeatrialError):
    """A wrong spec or command line (exit status 3); carries every problem found, not the first alone."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))

    @classmethod
    def simple(cls, message: str, hint: str = "") -> UsageError:
        """A usage error without a position."""
        return cls(Problem(message=message, hint=hint))


class SupervisorError(SeatrialError):
    """The owning process could not do what it was asked, or could not be reached."""


class PlatformError(SeatrialError):
    """The platform could not bring the stack into the wanted state; the message says which part and why."""


class NotExercised(SeatrialError):  # noqa: N818 - a state of affairs rather than an error
    """Something cannot be exercised here (a capability, a client library, a right is missing); says what would be needed."""


class Absent(NotExercised):
    """A service that may be missing is: nothing can be asked of it, however long one waits. Says what would bring it."""
