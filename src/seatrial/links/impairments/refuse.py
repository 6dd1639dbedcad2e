"""Refuse: nobody listens, and connections that were there are reset: as a host whose service has gone."""

from __future__ import annotations

from .base import Admission, Impairment


class Refuse(Impairment):
    """Until it ends."""

    NAME = "refuse"
    admission = Admission.REFUSE
