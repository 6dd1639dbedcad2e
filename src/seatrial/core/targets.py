"""The grammar of `at:`: ``web``, ``postgres/primary``, ``web#2``, ``web *``, ``web 50%``; ``web -> postgres`` is a link."""

from __future__ import annotations

import re

from .errors import UsageError
from .links import link_name
from .stack import Target

_NAME = r"[A-Za-z][A-Za-z0-9_.-]*"
_TARGET = re.compile(
    rf"\s*(?:(?P<client>{_NAME})\s*->\s*)?(?P<service>{_NAME})(?:/(?P<role>{_NAME})|#(?P<ordinal>[1-9]\d*)|\s+(?P<all>\*)|\s+(?P<share>\d+(?:\.\d+)?)%)?\s*"
)


def parse_target(text: str) -> Target:
    """Read an `at:`. Raises UsageError, saying the forms there are, for anything else."""
    match = _TARGET.fullmatch(text)
    if match is None:
        forms = "service, service/role, service#2, service *, service 50%, service -> service"
        raise UsageError.simple(f"{text!r} names no target", f"forms: {forms}")
    share = float(match["share"]) / 100 if match["share"] else None
    if share is not None and not 0 < share <= 1:
        raise UsageError.simple(f"{text!r}: a share is more than 0% and at most 100%")
    service = link_name(match["client"], match["service"]) if match["client"] else match["service"]
    return Target(
        service=service,
        role=match["role"],
        ordinal=int(match["ordinal"]) if match["ordinal"] else None,
        everywhere=bool(match["all"]) or bool(match["client"] and not (match["role"] or match["ordinal"] or share)),
        share=share,
    )
