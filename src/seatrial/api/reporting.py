"""Makes all reports of a trial from its directory alone."""

from __future__ import annotations

from pathlib import Path

from ..reports.model import TrialModel


def write_reports(directory: Path, followed: TrialModel | None = None) -> TrialModel:
    """report.json, junit.xml and report.html, from the records; returns what they were made from.

    `followed`: what a reader that followed the journal to its end has read already.
    """
    from ..attestation.seals import seal_reports, sign_offs
    from ..reports.html import write_html
    from ..reports.junit import write_junit
    from ..reports.machine import write_json
    from .series import workload_series

    model = followed if followed is not None and followed.ended else TrialModel.read(directory)
    write_json(model, directory / "report.json")
    write_junit(model, directory / "junit.xml")
    write_html(model, directory / "report.html", workload_series(model, directory), sign_offs(directory))
    if model.ended is not None:
        seal_reports(directory)
    return model
