"""Names of files in a trial's directory, for those who only look whether they are there."""

from __future__ import annotations

from typing import Final

JOURNAL: Final = "journal.jsonl"
SPEC: Final = "spec.path"  # where the trial's spec is: what attaches to its stack compiles it again
