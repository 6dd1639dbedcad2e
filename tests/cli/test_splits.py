"""A router on trial, on the command line: its share, those who are listed, and who stays as the share grows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUTER = Path(__file__).parents[1] / "services/probes/router.py"
Run = Callable[..., subprocess.CompletedProcess[str]]
SPEC = """\
seatrial: 1
name: listings
stack:
  services:
    router:
      command: {python} {router} {{{{ instance.port.http }}}} --listed vip-1,vip-2 {fault}
      ports: auto
      ready: {{http: POST /percent/10}}
requirements: {{SV-32: listed users, SV-33: the share, SV-34: sticky}}
defaults: {{timeout: 2s}}
scenarios:
  share:
    covers: [SV-33]
    steps:
      - id: ten
        split: GET /listings/1
        at: router
        headers: {{X-User: "{{{{ user }}}}"}}
        backend: headers.x-served-by
        share: {{microservice: 10%}}
        difference: 5%
        save: {{before: assigned}}
      - {{http: POST /percent/50, at: router}}
      - id: grown
        split: GET /listings/1
        at: router
        headers: {{X-User: "{{{{ user }}}}"}}
        backend: headers.x-served-by
        share: {{microservice: 50%}}
        difference: 5%
        since: "{{{{ before }}}}"
        expect: left.microservice == 0 and compared > 1000
        covers: [SV-34]
      - id: listed
        split: GET /listings/1
        at: router
        headers: {{X-User: "{{{{ user }}}}"}}
        backend: headers.x-served-by
        users: [vip-1, vip-2]
        share: {{microservice: 100%}}
        covers: [SV-32]
"""


def findings(seatrial: Run, directory: Path, fault: str, status: int) -> dict[str, Any]:
    text = SPEC.format(python=sys.executable, router=ROUTER, fault=fault and f"--fault {fault}")
    (directory / "seatrial.yaml").write_text(text)
    done = seatrial("run")
    assert done.returncode == status, done.stdout + done.stderr
    report = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return {f["id"].partition("/")[2]: f for f in report["findings"]}


def test_a_right_router_is_go(seatrial: Run, tmp_path: Path) -> None:
    found = findings(seatrial, tmp_path, "", 0)
    assert found["ten"]["bound"] == "== 10%"
    assert found["ten"]["measured"].startswith("share.microservice = ")
    assert "15% is found in 99.5%" in json.dumps(found["ten"]["evidence"])
    assert found["grown"]["verdict"] == found["listed"]["verdict"] == "PASS"


def test_a_wrong_share_is_no_go(seatrial: Run, tmp_path: Path) -> None:
    found = findings(seatrial, tmp_path, "off", 1)
    assert found["ten"]["verdict"] == "FAIL"
    assert "wanted == 10%" in found["ten"]["reason"]


def test_who_goes_back_is_no_go(seatrial: Run, tmp_path: Path) -> None:
    found = findings(seatrial, tmp_path, "turncoat", 1)
    assert found["ten"]["verdict"] == "PASS"
    assert found["grown"]["verdict"] == "FAIL"
    assert "left.microservice" in found["grown"]["reason"]
    assert "microservice -> monolith" in json.dumps(found["grown"]["evidence"])


PYTHON = """\
import seatrial


@seatrial.scenario(covers=["SV-32", "SV-33", "SV-34"], services=["router"])
async def who(trial):
    asked = {{"at": "router", "headers": {{"X-User": "{{{{ user }}}}"}}, "backend": "headers.x-served-by"}}
    seen = await trial.check("split", "GET /x", expect="failed == 0", share={{"microservice": "{share}"}}, difference="5%", **asked)
    assert seen.values["users"] > 1000
    again = await trial.probe("split", "GET /x", since=seen.values["assigned"], users=500, **asked)
    assert again.values["moved"] == 0
"""


def test_a_scenario_in_python_is_held_to_its_shares_too(seatrial: Run, tmp_path: Path) -> None:
    head, _, _ = SPEC.partition("scenarios:")
    text = head.format(python=sys.executable, router=ROUTER, fault="")
    (tmp_path / "seatrial.yaml").write_text(text + "python: who.py\n")
    for share, status in (("10%", 0), ("20%", 1)):
        (tmp_path / "who.py").write_text(PYTHON.format(share=share))
        done = seatrial("run")
        assert done.returncode == status, done.stdout + done.stderr
