"""How long writes in one store take to be seen in another: created, changed and deleted; and those that never are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
STORES = Path(__file__).parent / "following_stores.py"
SPEC = """\
seatrial: 1
stack: {{services: {{stores: {{command: "python {stores} {{{{ instance.port.http }}}} 0.3 {options}", ports: auto}}}}}}
scenarios:
  follows:
    steps:
      - converge: 5
        id: creates
        prefix: thing
        do: {{http: "PUT /{{{{ op.id }}}}", at: stores, body: "v{{{{ op.n }}}}", expect: status == 201}}
        until: {{http: "GET /{{{{ op.id }}}}", at: stores, expect: status == 200, every: 20ms}}
        patience: 3s
        severity: non-blocking
        expect: missing == 0 and failed == 0 and p50 > 200ms
      - converge: 3
        id: changes
        do: {{http: PUT /thing-1, at: stores, body: "{{{{ op.id }}}}"}}
        until: {{http: GET /thing-1, at: stores, expect: json.value == op.id, every: 20ms}}
        patience: 3s
        severity: non-blocking
        expect: missing == 0 and max > 200ms
      - converge: 5
        id: deletes
        prefix: thing
        do: {{http: "DELETE /{{{{ op.id }}}}", at: stores}}
        until: {{http: "GET /{{{{ op.id }}}}", at: stores, expect: status == 404, every: 20ms}}
        expect: missing == 0
      - {{converge: 2, id: refused, do: {{http: PUT /x, at: stores, body: ""}}, until: {{http: GET /x, at: stores}}, expect: failed == 2}}
"""


def findings(directory: Path) -> dict[str, dict[str, str]]:
    report = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return {f["id"].partition("/")[2]: f for f in report["findings"] if f["id"].startswith("follows/")}


def test_what_follows_in_time(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(stores=STORES, options=""))
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: f["verdict"] for n, f in findings(tmp_path).items()} == dict.fromkeys(
        ("creates", "changes", "deletes", "refused"), "PASS"
    )


def test_what_is_never_seen(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(stores=STORES, options="loses"))
    seatrial("run")
    found = findings(tmp_path)
    assert {n: f["verdict"] for n, f in found.items()} == {
        "creates": "FAIL", "changes": "FAIL", "deletes": "PASS", "refused": "PASS",
    }  # fmt: skip
    assert "thing-4: status is 404" in json.dumps(found["creates"])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{converge: 5, do: {http: GET /, at: stores}, expect: missing == 0}", 'needs "until"'),
        ("{converge: 5, do: web, until: {http: GET /, at: stores}, expect: missing == 0}", "a check is wanted here"),
        (
            "{converge: 5, do: {http: 'GET /{{ op.key }}', at: stores}, until: {http: GET /, at: stores}, expect: missing == 0}",
            'op has no "key"',
        ),
        (
            "{converge: 5, do: {http: GET /, at: stroes}, until: {http: GET /, at: stores, within: 5s}, expect: missing == 0}",
            'Did you mean "stores"',
        ),
        (
            "{converge: 5, do: {http: GET /, at: stores}, until: {http: GET /, at: stores, within: 5s}, expect: missing == 0}",
            'unknown key "within"',
        ),
    ],
)
def test_mistakes_are_told(seatrial: Run, tmp_path: Path, step: str, words: str) -> None:
    text = SPEC.format(stores=STORES, options="").partition("scenarios:")[0]
    (tmp_path / "seatrial.yaml").write_text(f"{text}scenarios: {{one: {{steps: [{step}]}}}}\n")
    done = seatrial("run")
    assert done.returncode == 3
    assert words in done.stderr, done.stderr
