"""A service that may be missing, and is: what asks it is not exercised, at once, and says what would bring it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]

STACK = """\
services:
  search: {kind: opensearch, optional: true}
  web: {command: "python -m http.server {{ instance.port.http }} --bind 127.0.0.1", ports: auto, after: [search, store]}
  store: {command: "python -m http.server {{ instance.port.http }} --bind 127.0.0.1", ports: auto}
links: [web -> search, clients -> web]
"""
SPEC = """\
seatrial: 1
name: shop
stack: stack.yaml
requirements:
  S-1: {text: the index answers, severity: informational}
  S-2: without the index all goes on
expect: {in-order: stack.ordered == true}
scenarios:
  web: {steps: [{http: GET /, at: web}], covers: [S-2]}
  index:
    severity: informational
    covers: [S-1]
    steps:
      - {http: GET /_cluster/health, at: search, within: 60s, for: 5s, id: answers}
      - {http: GET /_cluster/health, at: web -> search, within: 60s, id: linked}
      - {compare: items, at: search, with: items.csv, key: id, within: 60s, id: same}
  found: {severity: informational, needs: [index], steps: [{http: GET /, at: web, id: found}]}
  index-down:
    severity: non-blocking
    steps:
      - {fault: stop, at: search, id: stopped}
      - {http: GET /, at: web, id: still}
      - {heal: stopped}
      - {http: GET /, at: web, id: afterwards}
"""
VARIANT = """\
variant: never-found
title: the index answers nonsense
only: [index]
spec: {name: other}
red: {index/answers: status}
"""
NOT_HERE = "not exercised: {} is not here: OpenSearch is not in "


def write(directory: Path) -> None:
    (directory / "stack.yaml").write_text(STACK)
    (directory / "seatrial.yaml").write_text(SPEC)
    (directory / "variants").mkdir()
    (directory / "variants/never-found.yaml").write_text(VARIANT)


def test_the_rest_is_go_and_nothing_passes_for_it(seatrial: Run, tmp_path: Path) -> None:
    write(tmp_path)
    nowhere = {"OPENSEARCH": str(tmp_path / "none")}
    said = seatrial("plan", **nowhere).stdout
    assert "  search is not here, and what asks it is not exercised: OpenSearch is not in " in said
    done = seatrial("run", **nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    found = {f["id"]: (f["verdict"], f["exercised"], f["reason"]) for f in report["findings"]}
    for step, what in (("answers", "service search"), ("linked", "link web -> search"), ("same", "service search")):
        verdict, exercised, reason = found[f"index/{step}"]
        assert (verdict, exercised) == ("INCONCLUSIVE", False)
        assert reason.startswith(NOT_HERE.format(what)), reason
        assert "scripts/install-opensearch puts it there" in reason
    assert found["found/found"][2] == "not exercised: it needs index, which did not pass"
    # What a fault was to act on shows nothing without it, though the severity lets the scenario go on; what comes after it does.
    assert found["index-down/still"][:2] == ("INCONCLUSIVE", False)
    assert found["index-down/still"][2].startswith("not exercised: stopped did not act: service search is not here")
    assert found["index-down/afterwards"][0] == "PASS"
    assert found["trial/in-order"][0] == "PASS"
    assert report["accounting"]["not_exercised"] == 6
    page = (tmp_path / ".seatrial/latest/report.html").read_text()
    assert "not here: OpenSearch is not in " in page

    done = seatrial("variants", "--no-control", **nowhere)
    assert done.returncode == 2, done.stdout + done.stderr  # no variant was exercised at all
    assert "0 of 1 variants as declared, 0 NO-GO, 1 not exercised" in done.stdout


def test_another_stack_says_that_it_has_none(seatrial: Run, service: str, tmp_path: Path) -> None:
    write(tmp_path)
    remote = f"{{remote: {{services: {{web: '{service}'}}, without: {{search: it is not deployed there}}}}}}"
    scenarios = SPEC[SPEC.index("scenarios:") : SPEC.index("      - {http: GET /_cluster/health, at: web")]
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nname: shop\nstack: {remote}\n"
        + scenarios.replace(", covers: [S-2]", "").replace("    covers: [S-1]\n", "")
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    (reason,) = [f["reason"] for f in report["findings"] if f["id"] == "index/answers"]
    assert reason == "not exercised: service search is not here: it is not deployed there"
