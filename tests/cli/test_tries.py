"""Retries, back-off and a circuit breaker, seen from outside: a real router between a client and a link that fails on purpose."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROUTER = Path(__file__).parent / "breaking_router.py"
SPEC = """\
seatrial: 1
stack:
  services:
    listings: {{command: "python -m http.server {{{{ instance.port.http }}}} --bind 127.0.0.1", ports: auto}}
    router:
      command: python {router} {{{{ instance.port.http }}}} {{{{ listings.addresses }}}} {options}
      ports: auto
      ready: {{http: GET /ready}}
  links: [router -> listings]
defaults: {{timeout: 20s}}
scenarios:
  retries:
    steps:
      - {{fault: http-status, at: router -> listings, status: 503}}
      - {{tries: GET /x, at: router, behind: router -> listings, id: reads,
          expect: 'tries == 3 and gaps[0] > 45ms and gaps[1] > 90ms and json.by == "monolith"'}}
      - {{tries: POST /x, at: router, behind: router -> listings, id: writes, severity: non-blocking, expect: tries == 1}}
      - {{heal: all}}
      - {{tries: "GET /?n={{{{ op.n }}}}", at: router, behind: router -> listings, times: 2, id: again, expect: tries == 2}}
  breaker:
    needs: [retries]
    steps:
      - {{fault: http-status, at: router -> listings, status: 503, id: down}}
      - {{tries: GET /x, at: router, behind: router -> listings, until: quiet, id: opens, severity: non-blocking,
          save: {{opened: moment}}, expect: tried == 5}}
      - {{tries: GET /x, at: router, behind: router -> listings, until: tried, since: "{{{{ opened }}}}", id: half,
          save: {{again: moment}}, expect: waited > 1.9s and sent > 1}}
      - {{tries: GET /x, at: router, behind: router -> listings, id: shut-again, expect: tries == 0}}
      - {{heal: down}}
      - {{tries: GET /, at: router, behind: router -> listings, until: tried, since: "{{{{ again }}}}", id: half-again,
          expect: waited > 1.9s and headers.x-served-by == "microservice"}}
      - {{tries: GET /, at: router, behind: router -> listings, times: 4, id: closed, expect: "each == [1, 1, 1, 1]"}}
"""


def verdicts(directory: Path) -> dict[str, str]:
    report = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return {f["id"]: f["verdict"] for f in report["findings"]}


def test_a_breaker_and_retries_as_promised(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(router=ROUTER, options=""))
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_that_opens_too_late_and_one_that_repeats_writes(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(router=ROUTER, options="after=6 writes=2"))
    done = seatrial("run")
    found = verdicts(tmp_path)
    assert {n for n, v in found.items() if v == "FAIL"} == {"retries/writes", "breaker/opens"}, done.stdout
    assert "tried is 6" in done.stdout


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{tries: GET /, at: router, behind: router}", "router is no link"),
        ("{tries: GET /, at: router}", 'needs "behind"'),
        ("{tries: FETCH /, at: router, behind: router -> listings}", 'unknown method "FETCH"'),
    ],
)
def test_mistakes_are_told(seatrial: Run, tmp_path: Path, step: str, words: str) -> None:
    text = SPEC.format(router=ROUTER, options="").partition("scenarios:")[0]
    (tmp_path / "seatrial.yaml").write_text(f"{text}scenarios: {{one: {{steps: [{step}]}}}}\n")
    done = seatrial("run")
    assert done.returncode == 3
    assert words in done.stderr
