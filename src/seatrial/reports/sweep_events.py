"""What a sweep's events change in a trial's model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.events import CellStarted, CellSwept, SweepPlanned

if TYPE_CHECKING:
    from .model import TrialModel


def _sweep(model: TrialModel, ns: int, event: SweepPlanned) -> None:
    model.sweep, model.cells_since_ns = event, ns


def _cell(model: TrialModel, ns: int, event: CellStarted) -> None:
    model.cell, model.cell_since_ns = event, ns


def _swept(model: TrialModel, _ns: int, event: CellSwept) -> None:
    model.swept.append(event.swept)
    model.cell = None


SWEEPS: Mapping[type, Any] = {SweepPlanned: _sweep, CellStarted: _cell, CellSwept: _swept}
