"""Whatever is in the files: a plan, or problems that point into them. Never a traceback.

About 1,500 specs in a normal run; SEATRIAL_THOROUGH=1 makes it 10,000.
"""

from __future__ import annotations

import json
import os
import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seatrial.core.errors import Problem, UsageError
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import compile_check, compile_spec, compile_stack, load_variant

THOROUGH = os.environ.get("SEATRIAL_THOROUGH") == "1"
WRONG, RIGHT = Path(__file__).parent / "wrong", Path(__file__).parent / "right"
SPECS = [p.read_text(encoding="utf-8") for p in (RIGHT / "shop.yaml", *sorted(WRONG.glob("[a-r]*.yaml")))]
STACKS = [p.read_text(encoding="utf-8") for p in (RIGHT / "stack.yaml", *sorted(WRONG.glob("stack-*.yaml")))]
VARIANTS = [p.read_text(encoding="utf-8") for p in (RIGHT / "variant.yaml", *sorted(WRONG.glob("variant-*.yaml")))]
ENVIRONMENT = {"SHOP": "shop", "DEEP": "{{ x }}${secret:Y}", "EMPTY": ""}


def share(tenths: int) -> settings:
    """A test's share of the specs."""
    return settings(
        max_examples=(10_000 if THOROUGH else 1_500) * tenths // 10,
        database=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],  # a spec is short enough to be read as it is
    )


KNOWN = """
seatrial stack services web db proxy command kind postgres process remote replicas nodes ports after ready roles allow
requirements file applies not-covered severity values secrets env generate identities login bearer headers workloads rate arrivals
ramp steps poisson from to over timeout in-flight retries resend accept model set counter amount initial read-back keys value
steady throughout setup scenarios up expect that covers title needs deadline labels holds finally defaults within every for
python http sql tcp log command fault heal pause kill slow by hold at as save id json body query verify unless limits name
variant why only red spec evidence verdict trial steady/stack up/first R-1 kubernetes none all << null true false
"""
WORDS = st.sampled_from(KNOWN.split())
SCALARS = st.one_of(
    WORDS,
    st.sampled_from(
        [
            "GET /", "POST /x?a={{ x }}", "GET https://prod.example/", "{{ web.url }}", "{{ instance.port.http }}", "{{", "}}", "${", "${X",
            "${SHOP}", "${DEEP}", "${EMPTY:?}", "${secret:KEY}", "${secret:}", "$$", "db/primary", "web#2", "web#0", "web *", "web 50%",
            "web 500%", "a -> b", "30s", "1m 30s", "-5s", "1e400s", "99.9%", "100/s", "5", "0x", "64 MiB", "status == 200", "status <",
            "sales.recovery < 30s", "json.id", "rows[0][0]", "rows[", "len(rows) > 0", "a and", "not", "'", '"', "\\", "\x00", "\u2028",
            "\ud7ff", "é", "💥", "", " ", "-", "*", "&", "!", "%", "@", "`", "http://[",
            "http://127.0.0.1:99999", "../../etc/passwd", "/", ".",
            "x" * 300, "9" * 400, "://", "\\{{ x }}", "{{ x.y[0] }}", "R-1", "<<",
        ]
    ),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.none(),
    st.text(max_size=12),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=25,
)
STEPS = st.lists(
    st.dictionaries(st.sampled_from(["http", "sql", "fault", "heal", "at", "as", "expect", "within", "save",
        "id", "covers"]), SCALARS | TREES),
    max_size=4,
)  # fmt: skip


@st.composite
def structured(draw: st.DrawFn) -> str:
    """Something of a spec's form, filled with anything."""
    scenario = {"steps": draw(STEPS), **draw(st.dictionaries(WORDS, TREES, max_size=3))}
    services = {
        "web": {"command": "x", **draw(st.dictionaries(WORDS, TREES, max_size=2))},
        "db": draw(TREES | st.just({"kind": "postgres"})),
    }
    spec: dict[Any, Any] = {"seatrial": 1, "stack": {"services": services}, "scenarios": {draw(WORDS): scenario}}
    spec.update(draw(st.dictionaries(WORDS, TREES, max_size=4)))
    return dumped(spec)


def dumped(tree: object) -> str:
    """As YAML; what YAML cannot say as JSON, which nearly is YAML."""
    try:
        return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    except yaml.YAMLError:
        return json.dumps(tree)


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> str:
    """A text of the table with a few changes, most of them of a character or a line."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 8)))
        piece = draw(
            st.one_of(
                st.sampled_from(["", " ", "\n", "\t", ":", ": ", "- ", "{", "}", "[", "]", '"', "'", "#",
                    "&a ", "*a", "!x ", "|", ">", ","]),
                SCALARS.map(str),
                st.text(string.printable, max_size=4),
            )
        )  # fmt: skip
        how = draw(st.integers(0, 3))
        if how == 0:
            text = text[:at] + piece + text[at:]
        elif how == 1:
            text = text[:at] + piece + text[end:]
        else:
            lines = text.split("\n")
            first, second = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            if how == 2:
                lines[first], lines[second] = lines[second], lines[first]
            else:
                lines.insert(second, lines[first])
            text = "\n".join(lines)
    return text


def survives(make: Callable[[Path], object], text: str) -> None:
    """Compiled, or refused with problems that can be shown and that point into their files."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "seatrial.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for problem in problems_of(make, path):
            check_place(problem)


def problems_of(make: Callable[[Path], object], path: Path) -> tuple[Problem, ...]:
    try:
        make(path)
    except UsageError as error:
        return error.problems or (Problem(message=""),)
    return ()


def check_place(problem: Problem) -> None:
    position = problem.position
    assert problem.message
    assert str(problem)
    assert position is None or (position.line >= 1 and position.column >= 1 and position.length >= 1)
    if position is not None and problem.line_text:
        assert position.column <= len(problem.line_text) + 1, problem
        assert "\n" not in problem.line_text


def spec(path: Path, vocabulary: Vocabulary) -> object:
    return compile_spec(path, vocabulary, environment=ENVIRONMENT, variables={"item": "[", "amount": "7"})


@share(3)
@given(structured())
def test_any_structure(vocabulary: Vocabulary, text: str) -> None:
    survives(lambda path: spec(path, vocabulary), text)


@share(3)
@given(mutated(SPECS))
def test_any_change_of_a_spec(vocabulary: Vocabulary, text: str) -> None:
    survives(lambda path: spec(path, vocabulary), text)


@share(1)
@given(mutated(STACKS) | TREES.map(dumped))
def test_any_stack_file(vocabulary: Vocabulary, text: str) -> None:
    survives(lambda path: compile_stack(path, vocabulary, environment=ENVIRONMENT), text)


@share(1)
@given(mutated(VARIANTS) | TREES.map(dumped), st.booleans())
def test_any_variant(vocabulary: Vocabulary, text: str, alone: bool) -> None:
    base = WRONG / "base.yaml"
    if alone:
        survives(load_variant, text)
    else:
        survives(lambda path: compile_spec(base, vocabulary, environment=ENVIRONMENT, overlays=[path]), text)


@share(1)
@given(st.text(max_size=60), mutated(["- R-1 L it answers\n- R-2 more\n  and more\n"]))
def test_any_requirements(vocabulary: Vocabulary, reference: str, text: str) -> None:
    def make(path: Path) -> object:
        path.with_name("r.md").write_bytes(text.encode("utf-8", "surrogatepass"))
        return spec(path, vocabulary)

    survives(make, dumped({"seatrial": 1, "stack": {"services": {"web": {"command": "x"}}}, "requirements": "r.md",
                           "scenarios": {"up": {"covers": [reference], "steps": [{"http": reference, "at": "web"}]}}}))  # fmt: skip


@share(1)
@given(
    SCALARS.map(str) | st.text(max_size=40) | mutated(["{http: GET /x, at: web, expect: status == 200}"]),
    SCALARS,
    SCALARS,
)
def test_any_check(vocabulary: Vocabulary, text: str, at: object, expect: object) -> None:
    def make(_: Path) -> object:
        options = {"at": None if at is None else str(at), "expect": None if expect is None else str(expect)}
        return compile_check(text, vocabulary, environment=ENVIRONMENT, **options)

    survives(make, "")
