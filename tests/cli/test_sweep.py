"""`seatrial sweep` and `stack-health` against a small stack with weaknesses, each of which must be named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., subprocess.CompletedProcess[str]]
WEAK = Path(__file__).parent / "weak_service.py"
STACK = f"""\
services:
  store: {{command: "python {WEAK} {{{{ instance.port.http }}}} plain", ports: auto, ready: {{http: GET /value}}}}
  cache: {{command: "python {WEAK} {{{{ instance.port.http }}}} plain", ports: auto, ready: {{http: GET /value}}}}
  orders:                                # never connects anew
    command: python {WEAK} {{{{ instance.port.http }}}} stubborn {{{{ store.url }}}}
    ports: auto
    environment: {{STORE: "{{{{ store.url }}}}", TOKEN: "${{secret:TOKEN}}"}}
    ready: {{http: GET /orders}}
  prices:                                # a wrong price while its cache is down
    command: python {WEAK} {{{{ instance.port.http }}}} stale {{{{ cache.url }}}}
    ports: auto
    ready: {{http: GET /prices}}
  mailer:                                # nobody starts it again
    command: python {WEAK} {{{{ instance.port.http }}}} plain
    ports: auto
    restart: never
    ready: {{http: GET /livez}}
"""


ASKING = Path(__file__).parent / "asking.pl"
COMPOSE = f"""\
services:
  back:
    image: debian:bookworm
    command: [perl, /asking.pl]
    init: true
    volumes: ["{ASKING}:/asking.pl:ro", "data:/data"]
    restart: always
    environment: {{COLOUR: blue}}
    mem_limit: 64m
    expose: ["8000"]
    x-seatrial: {{ready: {{tcp: "", expect: accepted == true}}}}
  front:                                 # nobody starts it again
    image: debian:bookworm
    command: [perl, /asking.pl]
    init: true
    volumes: ["{ASKING}:/asking.pl:ro"]
    depends_on: [back]
    environment: {{BACK: "back:8000"}}
    ports: ["8000"]
    x-seatrial: {{ready: {{http: GET /, expect: status == 200}}}}
volumes: {{data: {{}}}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "stack.yaml").write_text(STACK)
    return tmp_path / "stack.yaml"


def test_a_sweep_names_each_weakness_and_emits_what_fails_until_it_is_mended(
    seatrial: Run, stack: Path, tmp_path: Path
) -> None:
    done = seatrial(
        "sweep", "stack.yaml", "--services", "store,cache,mailer", "--faults", "kill", "--for", "2s", "--recover", "3s",
        "--emit", "weak.yaml", "--gate", "wrong-answers", "--json",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr  # what --gate forbids was seen
    found = json.loads(done.stdout)
    assert set(found["clients"].values()) == {"GET /orders at orders", "GET /prices at prices", "GET /livez at mailer"}
    cells = {c["service"]: c for c in found["cells"]}
    store, cache, mailer = cells["store"], cells["cache"], cells["mailer"]
    assert store["impact"] == "down after heal"
    assert store["unwell"].keys() == {"orders"}
    assert store["mended_by"] == "a restart of orders"
    assert store["seen"]["at-prices"]["failed"] == 0
    assert cache["impact"] == "wrong answers"
    assert cache["seen"]["at-prices"]["compared"] == "status and body"
    assert mailer["impact"] == "down until healed"
    assert mailer["stayed_down"] == ["mailer#1"]
    assert all(c["witness"] and c["healed_s"] > c["began_s"] for c in cells.values())
    assert [w["cells"] for w in found["weaknesses"]] == [["kill store"], ["kill cache"], ["kill mailer"]]
    advice = [w["next"] for w in found["weaknesses"]]
    assert advice[0].startswith("orders does not find store again")
    assert "restart policy" in advice[2]

    directory = Path(found["directory"])
    html = (directory / "report.html").read_text()
    assert "down after heal" in html
    assert "GO" not in html.partition("</h1>")[0].partition("<h1>")[2]  # it is no verdict
    report = json.loads((directory / "report.json").read_text())
    assert report["sweep"]["summary"].startswith("3 cells: ")
    assert report["residue"] == []

    emitted = yaml.safe_load((tmp_path / "weak.yaml").read_text())
    assert list(emitted["scenarios"]) == ["kill-store", "kill-cache", "kill-mailer"]
    again = seatrial("run", "weak.yaml", "--only", "kill-cache", TOKEN="t")
    assert again.returncode == 1, again.stdout + again.stderr
    assert "kill-cache/no-other-answer-1" in again.stdout


def test_stack_health_finds_who_does_not_say_so_and_who_does_not_come_back(
    seatrial: Run, stack: Path, tmp_path: Path
) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        "seatrial: 1\nstack: stack.yaml\nsecrets: {TOKEN: {generate: 20}}\n"
        "stack-health: {checks: [order, ports, environment, health, restart-policy, early-start, logs], tell: 2s, recovery: 4s,\n"
        "  except: [stack-crash-store, stack-crash-cache, stack-crash-prices, stack-early-prices]}\n"
    )
    planned = seatrial("plan")
    assert "stack-orders-without-store: orders says that store is down" in planned.stdout
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    verdicts = {f["id"]: (f["verdict"], f["reason"]) for f in report["findings"]}
    red = {i: reason for i, (verdict, reason) in verdicts.items() if verdict == "FAIL"}
    assert red.keys() == {
        "stack-prices-without-cache/says-so",  # it goes on, with a wrong price
        "stack-orders-without-store/well-again",  # it never connects anew
    }
    assert "healthy is 1" in red["stack-prices-without-cache/says-so"]
    assert "orders#1 is not well" in red["stack-orders-without-store/well-again"]
    passed = {i for i, (verdict, _) in verdicts.items() if verdict == "PASS"}
    assert passed >= {
        "stack-order/order", "stack-ports-orders/ports", "stack-environment-orders/environment", "stack-early-orders/ready",
        "stack-crash-orders/policy", "stack-crash-mailer/policy", "stack-logs-orders/logs", "trial/nothing-remains",
    }  # fmt: skip


def test_interrupted_it_heals_and_says_how_far_it_came(stack: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "seatrial",
            "sweep",
            "stack.yaml",
            "--services",
            "cache",
            "--faults",
            "stop",
            "--for",
            "60s",
        ],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = tmp_path / ".seatrial/latest/journal.jsonl"
    deadline = time.monotonic() + 40
    while not journal.exists() or "FaultWitnessed" not in journal.read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 2, out + err
    assert "1 cells: none was reached, 1 not reached" in out
    text = journal.read_text()
    assert '"FaultHealed"' in text
    assert '"residue": []' in text or '"residue":[]' in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.yaml",), "nowhere.yaml does not exist"),
        (("empty",), "there is nothing to sweep in empty"),
        (("stack.yaml", "--services", "stroe"), 'Did you mean "store"?'),
        (("stack.yaml", "--faults", "kil"), 'Did you mean "kill"?'),
        (("stack.yaml", "--client", "ordrs"), 'Did you mean "orders"?'),
        (("stack.yaml", "--gate", "bad"), "one of slower, errors, down-until-healed, wrong-answers, down-after-heal"),
        (("stack.yaml", "--for", "1s"), "--for is at least 2s"),
        (("remote.yaml",), "a remote stack cannot be swept"),
    ],
)
def test_mistakes(seatrial: Run, stack: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "remote.yaml").write_text(
        "seatrial: 1\nstack: {remote: {services: {a: http://127.0.0.1:1}}}\nscenarios: {s: {steps: [{http: GET /, at: a}]}}\n"
    )
    done = seatrial("sweep", *arguments)
    assert done.returncode == 3, done.stdout
    assert words in done.stderr


@pytest.mark.docker
def test_stack_health_and_a_sweep_on_containers(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "seatrial.yaml").write_text(
        "seatrial: 1\nstack: {compose: compose.yaml}\nstack-health: {checks: all, faults: [kill], tell: 20s, recovery: 30s}\n"
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    passed = {f["id"] for f in report["findings"] if f["verdict"] == "PASS"}
    assert passed >= {
        "stack-order/order", "stack-ports-front/ports", "stack-environment-back/environment", "stack-limits-back/limits",
        "stack-early-front/ready", "stack-front-without-back/says-so", "stack-kill-back/policy", "stack-kill-front/policy",
        "stack-volumes-back/kept", "stack-logs-back/logs",
    }  # fmt: skip
    (tmp_path / "seatrial.yaml").unlink()
    swept = seatrial("sweep", ".", "--services", "front", "--faults", "kill", "--for", "2s", "--json")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    [cell] = json.loads(swept.stdout)["cells"]
    assert (cell["impact"], cell["stayed_down"]) == ("down until healed", ["front#1"])
