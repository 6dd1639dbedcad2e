"""The table of wrong specs: `wrong/NAME.yaml` is refused with exactly the text of `wrong/NAME.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import compile_spec, compile_stack, load_variant

WRONG = Path(__file__).parent / "wrong"
NAMES = sorted(p.stem for p in WRONG.glob("*.yaml") if p.stem != "base")


def refused(name: str, vocabulary: Vocabulary) -> str:
    """What a person reads."""
    try:
        compile_it(name, Path(f"{name}.yaml"), vocabulary)
    except UsageError as error:
        return f"{error}\n"
    return "it is accepted"


def compile_it(name: str, path: Path, vocabulary: Vocabulary) -> None:
    """By its name: a stack file, a variant of base.yaml, or a spec."""
    if name.startswith("stack-"):
        compile_stack(path, vocabulary, environment={})
    elif name.startswith("variant-"):
        load_variant(path)
        compile_spec(Path("base.yaml"), vocabulary, environment={}, overlays=[path])
    else:
        compile_spec(path, vocabulary, environment={})


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_spec_is_refused_in_these_words(
    name: str, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(WRONG)
    assert refused(name, vocabulary) == (WRONG / f"{name}.txt").read_text(encoding="utf-8")


def test_there_are_at_least_forty() -> None:
    assert len(NAMES) >= 40
