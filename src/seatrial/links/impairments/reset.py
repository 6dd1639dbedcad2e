"""Reset: connections are accepted and reset at once, and so are those that were there: as a firewall that answers for the service."""

from __future__ import annotations

from .base import Admission, Impairment


class Reset(Impairment):
    """Until it ends."""

    NAME = "reset"
    admission = Admission.RESET
