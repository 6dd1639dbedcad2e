"""Words for what PostgreSQL or libpq says went wrong, as in an observation's `error`; needs no client library."""

from __future__ import annotations

_BY_STATE = (
    ("28", "credentials"),
    ("42601", "statement"),
    ("42", "sql"),
    ("57P03", "starting"),
    ("57014", "timeout"),
    ("57P", "shutdown"),
    ("25006", "read-only"),
    ("53", "busy"),
    ("08", "reset"),
)
_BY_TEXT = (  # libpq gives no SQLSTATE for a connection that failed
    ("password authentication failed", "credentials"),
    ("no password supplied", "credentials"),
    ("no pg_hba.conf entry", "credentials"),
    ("starting up", "starting"),
    ("not yet accepting connections", "starting"),
    ("not accepting connections", "starting"),
    ("shutting down", "shutdown"),
    ("terminating connection", "shutdown"),
    ("too many clients", "busy"),
    ("remaining connection slots", "busy"),
    ("session is read-only", "read-only"),
    ("hot standby mode", "read-only"),
    ("timeout expired", "timeout"),
    ("resolve", "name"),
    ("translate host name", "name"),
    ("invalid response", "protocol"),
    ("lost synchronization", "protocol"),
    ("unexpected", "protocol"),
    ("ssl", "tls"),
    ("certificate", "tls"),
    ("refused", "refused"),
    ("does not exist", "absent"),
)
_CLOSED = "server closed the connection unexpectedly"


def word(sqlstate: str, message: str) -> str:
    """By SQLSTATE, or by what libpq says where it gives none."""
    text = message.lower()
    if _CLOSED in text:
        return "reset"
    found = next((word for start, word in _BY_STATE if sqlstate.startswith(start)), None) if sqlstate else None
    if found is None:
        found = next((word for part, word in _BY_TEXT if part in text), None)
    return found or ("sql" if sqlstate else "reset")
