"""Makes all reports of a trial from its directory alone."""

from __future__ import annotations

from pathlib import Path

from ..reports.model import TrialModel


def write_reports(directory: Path) -> TrialModel:
    """report.json, junit.xml and report.html, again from the records; returns what they were made from."""
    from ..reports.html import write_html
    from ..reports.junit import write_junit
    from ..reports.machine import write_json
    from .series import workload_series

    model = TrialModel.read(directory)
    write_json(model, directory / "report.json")
    write_junit(model, directory / "junit.xml")
    write_html(model, directory / "report.html", workload_series(model, directory))
    return model
