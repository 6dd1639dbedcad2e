"""Loads that are existing files of other tools: Locust files and k6 scripts, run as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.expressions import Type, did_you_mean
from ..core.load_plans import LoadPlan, ToolPlan
from ..core.quantities import NS_PER_S, Quantity
from ..core.shapes import COUNT, DURATION, RATE, TARGET, TEXT, Field, list_of, mapping_of
from ..core.stack import Target
from ..core.templates import secret_names
from .judging import is_judged
from .keys import SOME_TIME, Scene, ns_of
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, is_dir, is_file, shorten
from .reading import BAD, Bad
from .steps import Steps

_SHARED: Mapping[str, Field] = {
    "title": Field(shape=TEXT, doc="For people."),
    "at": Field(shape=TARGET, required=True, doc="Its host: the first instance of this.", example="web"),
    "users": Field(shape=COUNT, doc="So many users (what the file says).", example="100"),
    "for": Field(
        shape=SOME_TIME, doc="How long it runs (what the file says, or until its scenario ends).", example="60s"
    ),
    "warm-up": Field(shape=DURATION, doc="The beginning that is not judged (0s).", example="5s"),
    "window": Field(shape=SOME_TIME, doc="Length of the sliding windows of `worst` (10s).", example="10s"),
    "arguments": Field(
        shape=list_of(TEXT, lenient=False), default=(), doc="Further arguments of the tool.", example="[--my-flag, x]"
    ),
    "environment": Field(
        shape=mapping_of(TEXT), default={}, doc="Variables for it; secrets, too.", example='{TOKEN: "${secret:token}"}'
    ),
}
_NAMES = list_of(TEXT)
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "locust": {
        **_SHARED,
        "spawn-rate": Field(shape=RATE, doc="Users that are started a second (1/s).", example="10/s"),
        "classes": Field(shape=_NAMES, default=(), doc="User classes to run (all).", example="[Normal, Admin]"),
        "tags": Field(shape=_NAMES, default=(), doc="Only tasks with one of these tags.", example="[browse]"),
        "skip-tags": Field(shape=_NAMES, default=(), doc="No tasks with one of these tags.", example="[slow]"),
    },
    "k6": _SHARED,
}
FILE: Mapping[str, Field] = {
    "locust": Field(shape=TEXT, doc="A Locust file, run as it is.", example="locustfile.py"),
    "k6": Field(shape=TEXT, doc="A k6 script, run as it is.", example="script.js"),
}
_KEYS_FOR: Mapping[str, Mapping[str, str]] = {
    "locust": {
        "-f": "locust", "--locustfile": "locust", "-H": "at", "--host": "at", "-u": "users", "--users": "users",
        "-r": "spawn-rate", "--spawn-rate": "spawn-rate", "-t": "for", "--run-time": "for", "-T": "tags", "--tags": "tags",
        "-E": "skip-tags", "--exclude-tags": "skip-tags",
    },
    "k6": {"-u": "users", "--vus": "users", "-d": "for", "--duration": "for", "-e": "environment", "--env": "environment"},
}  # fmt: skip
_UNMEASURED: Mapping[str, Mapping[str, str]] = {
    "locust": dict.fromkeys(("--master", "--worker", "--processes"), "its requests are counted in one process")
    | dict.fromkeys(("--headful", "--autostart", "--class-picker"), "it runs without its web page"),
    "k6": dict.fromkeys(("--paused", "-p", "--linger", "-l"), "it has to begin and to end by itself"),
}


def tools_in(loads: Node | None) -> tuple[str, ...]:
    """The names of those loads that are files of other tools."""
    pairs = loads if isinstance(loads, MappingNode) else ()
    return tuple(key.text for key, child in pairs if tool_of(child))


def tool_of(node: Node) -> str:
    """locust, k6, or nothing."""
    return next((n for n in FIELDS if isinstance(node, MappingNode) and n in node.entries), "")


class Tools:
    """Reads loads of tools."""

    def __init__(self, steps: Steps, directory: Path) -> None:
        self._steps = steps
        self._reader = steps.reader
        self._directory = directory

    def read(
        self, name: str, node: MappingNode, values: Mapping[str, Type], later: Mapping[str, str]
    ) -> LoadPlan | None:
        """One load; None after a problem."""
        tool = tool_of(node)
        place = self._steps.place(Scene(values=dict(values), later=dict(later)))
        found = self._reader.fields(node, FIELDS[tool], place, what=f"a load with {tool}", also=(tool,))
        file = self._file(tool, node.entries[tool].value)
        if isinstance(found, Bad) or file is None or BAD in found.values():
            return None
        right = self._arguments(tool, node.get("arguments"), found["arguments"])
        if not self._time(tool, node.get("for"), found["for"]) or not right:
            return None
        if not is_judged(self._reader, node, ns_of(found["warm-up"], 0), ns_of(found["for"])):
            return None
        rate = found.get("spawn-rate")
        return LoadPlan(
            name=name,
            tool=ToolPlan(
                name=tool,
                file=file,
                arguments=tuple(found["arguments"]),
                environment=dict(found["environment"]),
                spawn_rate=rate.value if isinstance(rate, Quantity) else 0.0,
                classes=_texts(found.get("classes")),
                tags=_texts(found.get("tags")),
                skip_tags=_texts(found.get("skip-tags")),
            ),
            at=found["at"] if isinstance(found["at"], Target) else None,
            directory=self._directory,
            users=found["users"] or 0,
            for_ns=ns_of(found["for"]),
            warm_up_ns=ns_of(found["warm-up"], 0),
            window_ns=ns_of(found["window"], 10 * NS_PER_S),
            timeout_ns=NS_PER_S,  # the tool has its own
            connections=1,
            position=node.position(),
        )

    def _file(self, tool: str, node: Node) -> str | None:
        example = FILE[tool].example
        text = self._reader.text(node) if isinstance(node, Scalar) else None
        if not isinstance(text, str) or not text:
            if text is not BAD:
                self._reader.wrong(node, f"{tool} names a file, not {describe(node)}", f"{tool}: {example}")
            return None
        path = self._directory / text
        if not is_file(path) and not (tool == "locust" and is_dir(path)):
            near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if is_dir(path.parent) else []
            hint = f"beside the spec: {tool}: {example}. {did_you_mean(path.name, near)}".rstrip()
            self._reader.wrong(node, f"there is no file {shorten(text)}", hint)
            return None
        return text

    def _arguments(self, tool: str, node: Node | None, given: tuple[object, ...]) -> bool:
        """Whether none says what a key says, shows a secret to every user of the machine, or makes it immeasurable."""
        right = True
        for item, value in zip(node.items if isinstance(node, Sequence) else (), given, strict=False):
            option = str(value).partition("=")[0]
            key, why = _KEYS_FOR[tool].get(option), _UNMEASURED[tool].get(option)
            if secret_names(value):
                message = "a secret cannot stand among the arguments: everyone on the machine can read them"
                self._reader.wrong(item, message, 'environment: {TOKEN: "${secret:token}"}')
            elif key is not None:
                self._reader.wrong(item, f"{option} is said by a key", f"{key}: {_example(tool, key)}")
            elif why is not None:
                self._reader.wrong(item, f"{tool} cannot be run with {option}", why)
            else:
                continue
            right = False
        return right

    def _time(self, tool: str, node: Node | None, given: object) -> bool:
        if tool != "locust" or node is None or not isinstance(given, Quantity) or not given.value % NS_PER_S:
            return True
        seconds = int(given.value // NS_PER_S) + 1
        self._reader.wrong(node, "Locust counts whole seconds", f"for: {seconds}s")
        return False


def _example(tool: str, key: str) -> str:
    return FILE[tool].example if key == tool else FIELDS[tool][key].example


def _texts(given: Any) -> tuple[str, ...]:
    return tuple(str(x) for x in given or ())
