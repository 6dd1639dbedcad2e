"""What a spec may say of the faults of resources, and what it is told else."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.errors import UsageError
from seatrial.spec import compile_spec

SPEC = "seatrial: 1\nstack: {{services: {{web: {{command: serve, ports: auto}}}}}}\nscenarios: {{up: {{steps: [{{{step}}}]}}}}\n"
KEYS = "keys here: every, times, at, within, for, id, title, covers, severity, fault."


def problems(directory: Path, step: str) -> list[str]:
    file = directory / "seatrial.yaml"
    file.write_text(SPEC.format(step=step))
    try:
        compile_spec(file, vocabulary(), environment={})
    except UsageError as error:
        return [f"{p.position.column if p.position else 0}: {p.message}; {p.hint}" for p in error.problems]
    return []


@pytest.mark.parametrize(
    ("step", "wrong"),
    {
        "fault: crash-loop, at: web, times: 1": ["62: 1 is too small; at least 2"],
        "fault: crash-loop, at: web, hold: 5s": [f'55: unknown key "hold" in a fault step with crash-loop; {KEYS}'],
        "fault: cpu-pressure, at: web, cores: 2, share: 50%": [
            "64: share and cores say the same in two ways; give one of them"
        ],
        "fault: cpu-pressure, at: web": [],
        "fault: cpu-limit, at: web": ['26: a fault step with cpu-limit needs "cores"; for example cores: 0.5'],
        "fault: memory-pressure, at: web": ["34: it says neither leave nor size; give one of them"],
        "fault: memory-limit, at: web, size: 256": [
            "63: 256 has no unit; a size is wanted, for example 64 MiB (units: B kB MB GB KiB MiB GiB)"
        ],
        "fault: disk-full, at: web, path: data": [
            "60: data is no absolute path; as the processes of the instance see it: /var/lib/app"
        ],
        "fault: clock-offset, at: web, offset: -1h": [],
        "fault: clock-offset, at: web, offset: 2s": [
            "65: an offset of less than 5s cannot be told from outside; for example 2m, or -1h"
        ],
        "fault: clock-offset, at: web, offset: 6500ms": [
            "65: the offset of a clock is in whole seconds; for example 2m, or -1h"
        ],
        "fault: pids-limit, at: web, count: 0": ["62: 0 is too small; at least 1"],
    }.items(),
)
def test_it_is_told_what_is_wrong(tmp_path: Path, step: str, wrong: list[str]) -> None:
    assert problems(tmp_path, step) == wrong
