"""What went wrong with an operation, as its record has it: a byte. Without numpy: clients and probes need it, too."""

from __future__ import annotations

from typing import Final

ERRORS: Final = (
    "",
    "refused",
    "reset",
    "timeout",
    "name",
    "tls",
    "protocol",
    "closed",
    "status-4xx",
    "status-5xx",
    "capacity",
    "resend",
    "script",
    "reply",
    "unexpected",
)
