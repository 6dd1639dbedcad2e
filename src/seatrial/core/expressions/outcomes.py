"""What comes of an expression: a judgement, a value, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from ..intervals import Interval


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands where a value should be and says why there is none; makes what needs it unknown."""

    reason: str

    def __str__(self) -> str:
        return f"(missing: {self.reason})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A condition judged: true, false, or unknown (None).

    `measured` are the operands that decided it, each as (path, value as shown); `bound` what they were held against
    (``< 30s``); `reason` why it is not true; `interval` the measured value, where exactly one quantity decided.
    """

    truth: bool | None
    measured: tuple[tuple[str, str], ...]
    bound: str
    reason: str
    interval: Interval | None = None

    @property
    def shown(self) -> str:
        """The measured side for a report, to stand beside the bound: ``2.61s to 2.64s``, ``status 404, error null``."""
        if len(self.measured) == 1:
            return self.measured[0][1]
        return ", ".join(f"{path} {value}" for path, value in self.measured)
