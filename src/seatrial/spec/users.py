"""Users of several kinds, with weighted tasks: steps that ask, expect and save, over what a user knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.datafiles import columns, read_rows
from ..core.expressions import Expression, Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.load_plans import DataFile, UserFlows, UserKind, UserStep, UserTask
from ..core.quantities import Quantity
from ..core.shapes import (
    BOOLEAN,
    CONDITION,
    IDENTIFIER,
    NUMBER,
    TEXT,
    Field,
    choice,
    list_of,
    mapping_of,
    record,
    union,
)
from ..core.vocabulary import Vocabulary
from .keys import AS, CALL, OWN_NAMES, SAVE, SOME_TIME, Scene
from .nodes import Entry, Node, Scalar, Sequence, describe, shorten
from .nodes import Mapping as MappingNode
from .reading import BAD, Bad, Place
from .saves import saves_of
from .steps import Steps

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
USERS = ("steps", "tasks", "kinds")
SENT = ("json", "form", "body", "headers", "query")
SEEN = ("status", "json", "text", "headers")
_TAGS = Field(shape=list_of(IDENTIFIER), default=(), doc="What `only` and `skip` go by.", example="[browse]")
_DATA = record(
    {
        "file": Field(shape=TEXT, required=True, doc="Beside the spec.", example="products.csv"),
        "each": Field(
            shape=choice("task", "user"),
            default="task",
            doc="Who takes the next row: a user before each task, or once.",
        ),
    },
    doc="data",
)
WEIGHT = Field(shape=replace(NUMBER, least=0), default=1.0, doc="How often, beside the others.")
FLOWS: Mapping[str, Field] = {
    "data": Field(
        shape=mapping_of(union(TEXT, _DATA)), default={}, doc="Rows of .csv, .jsonl or .json: {{ NAME.column }}.",
        example="{products: products.csv}",
    ),
    "cookies": Field(shape=BOOLEAN, default=True, doc="Each user keeps those that it is given."),
    "only": Field(shape=list_of(IDENTIFIER), default=(), doc="Kinds and tasks with one of these tags.", example="[browse]"),
    "skip": Field(shape=list_of(IDENTIFIER), default=(), doc="Not those with one of these tags.", example="[write]"),
}  # fmt: skip
OF_STEP: Mapping[str, Field] = {
    "expect": Field(
        shape=CONDITION, doc="What must be true of the answer; else it counts as failed.", example="status == 200"
    ),
    **SAVE,
    "tag": Field(shape=IDENTIFIER, doc="Its figures apart from the others': tag.NAME.p95."),
}
_OWN = {**dict.fromkeys(SEEN, "what a step itself sees"), **OWN_NAMES, "user": "a user's number"}
THINK = Field(shape=SOME_TIME, required=True, doc="Wait.", example="200ms")
OF_TASK: Mapping[str, Field] = {"weight": WEIGHT, "tags": _TAGS}
OF_KIND: Mapping[str, Field] = {**OF_TASK, "as": AS}


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What a step takes from around it: `at` and `as`."""

    entries: Mapping[str, Entry]

    def inside(self, node: MappingNode) -> _Around:
        """The same within a kind, which may have its own."""
        own = {"as": node.entries["as"]} if "as" in node.entries else {}
        return _Around(entries={**self.entries, **own})


class Users:
    """Reads what users of a load do. `files`: of their data."""

    def __init__(self, steps: Steps, vocabulary: Vocabulary, directory: Path) -> None:
        self._steps = steps
        self._reader = steps.reader
        self._vocabulary = vocabulary
        self._http = vocabulary.verbs.get("http")
        self._directory = directory
        self.files: list[Path] = []
        self._given: dict[str, str] = {}  # names that have a meaning before any step, and what

    def read(self, node: MappingNode, what: str, found: Mapping[str, Any], scene: Scene) -> UserFlows | None:
        """Of a load with `steps`, `tasks` or `kinds`; None after a problem."""
        before = len(self._reader.problems)
        if found["at"] is None:
            hint = f"services: {listing(self._reader.known.services, 30) or 'none'}"
            self._reader.wrong(node.entries[what].key, 'users need "at": where they ask', hint)
            return None
        if found["protocol"] not in (None, "http1"):
            self._reader.wrong(
                node.entries["protocol"].value, f"users cannot speak {found['protocol']} yet", "leave protocol out"
            )
        inner = self._scene(node, scene)
        data = self._data(node, inner)
        self._given = dict.fromkeys(inner.values, "a value of the spec, a service or data")
        around = _Around(entries={n: node.entries[n] for n in CALL if n in node.entries})
        kinds = self._kinds(node, what, inner, around)
        flows = UserFlows(
            kinds=kinds,
            data=data,
            cookies=found["cookies"],
            only=tuple(found["only"]),
            skip=tuple(found["skip"]),
        )
        if len(self._reader.problems) == before:
            self._selection(node, what, flows)
        return flows if len(self._reader.problems) == before else None

    def _scene(self, node: MappingNode, scene: Scene) -> Scene:
        """What every user knows."""
        if "user" in scene.values:
            self._reader.wrong(
                node, '"user" is a user\'s number here, and a value of the spec, too', "give the value another name"
            )
        figures = "how long answers take is judged in the load's figures: p95, tag.NAME.p95"
        later = {**scene.later, "latency": figures, "took": figures}
        return Scene(values={**scene.values, "user": Type.NUMBER}, later=later)

    # -- data

    def _data(self, node: MappingNode, scene: Scene) -> dict[str, DataFile]:
        inner = node.get("data")
        found: dict[str, DataFile] = {}
        for key, child in inner if isinstance(inner, MappingNode) else ():
            if self._reader.name(
                key, "data", {**dict.fromkeys(scene.values, "a value of the spec, or a service"), **_OWN}
            ):
                read = self._file(child)
                type_, file = read if read is not None else (Type.ANY, None)
                scene.values[key.text] = type_
                if file is not None:
                    found[key.text] = file
        return found

    def _file(self, node: Node) -> tuple[Type, DataFile] | None:
        """The type of a row, and the file."""
        given = self._reader.read(node, FLOWS["data"].shape.of or TEXT, Place(literal=True))
        name, each_user = (given["file"], given["each"] == "user") if isinstance(given, dict) else (given, False)
        place = node.get("file") if isinstance(node, MappingNode) else node
        if not isinstance(name, str) or place is None:
            return None
        path = self._directory / name
        try:
            rows = read_rows(path)
        except (OSError, UnicodeDecodeError) as error:
            said = (
                f"there is no file {name}"
                if isinstance(error, FileNotFoundError)
                else f"{name}: {getattr(error, 'strerror', '') or error}"
            )
            self._reader.wrong(place, said, "beside the spec: a .csv with a header, .jsonl, or .json with a list")
            return None
        except ValueError as error:
            self._reader.wrong(
                place, f"{name}: {error}", "a .csv with a header, .jsonl, or .json with a list of objects"
            )
            return None
        self.files.append(path)
        kind = Type.TEXT if path.suffix == ".csv" else Type.ANY
        return Type.record(dict.fromkeys(columns(rows), kind)), DataFile(file=path, each_user=each_user)

    # -- kinds and tasks

    def _kinds(self, node: MappingNode, what: str, scene: Scene, around: _Around) -> tuple[UserKind, ...]:
        if what != "kinds":
            return self._one(node, what, scene, around)
        inner = node.entries["kinds"]
        found = []
        for key, child in self._named(inner, "kinds", "{normal: {weight: 8, tasks: {...}}}"):
            kind = self._kind(key, child, scene, around)
            if kind is not None:
                found.append(kind)
        self._weighed(inner.key, "kind", found)
        return tuple(found)

    def _one(self, node: MappingNode, what: str, scene: Scene, around: _Around) -> tuple[UserKind, ...]:
        """The shorthand: all users are alike."""
        own = _copy(scene)
        begin = self._begin(node, own, around)
        return (UserKind(name="users", tasks=self._tasks(node, what, own, around), begin=begin),)

    def _kind(self, key: Scalar, node: Node, scene: Scene, around: _Around) -> UserKind | None:
        if not isinstance(node, MappingNode):
            self._reader.wrong(
                node, f"a kind of user is a mapping, not {describe(node)}", "{weight: 8, tasks: {look: {steps: [...]}}}"
            )
            return None
        own = _copy(scene)
        what = [k for k in ("steps", "tasks") if k in node.entries]
        also = ("begin", "steps", "tasks")
        found = self._reader.fields(node, OF_KIND, self._steps.place(own), what="a kind of user", also=also)
        if len(what) != 1:
            has = "both" if what else "neither"
            self._reader.wrong(
                key, f"a kind of user has tasks or steps, this one has {has}", "tasks: {look: {steps: [...]}}"
            )
            return None
        if isinstance(found, Bad) or BAD in found.values():
            return None
        inside = around.inside(node)
        begin = self._begin(node, own, inside)
        tasks = self._tasks(node, what[0], own, inside)
        return UserKind(
            name=key.text, tasks=tasks, weight=float(found["weight"]), tags=tuple(found["tags"]), begin=begin
        )

    def _begin(self, node: MappingNode, scene: Scene, around: _Around) -> tuple[UserStep, ...]:
        return self._list(node.entries["begin"].value, scene, around) if "begin" in node.entries else ()

    def _tasks(self, node: MappingNode, what: str, scene: Scene, around: _Around) -> tuple[UserTask, ...]:
        entry = node.entries[what]
        if what == "steps":
            return (UserTask(name="steps", steps=self._list(entry.value, _copy(scene), around)),)
        saved = {
            name: f"task {key.text} saves {name} (line {line}): a task knows what it saved itself, and what begin did"
            for key, child in (entry.value if isinstance(entry.value, MappingNode) else ())
            if isinstance(child, MappingNode)
            for name, line in saves_of(child.get("steps")).items()
        }
        found = []
        for key, child in self._named(entry, "tasks", "{look: {weight: 3, steps: [...]}}"):
            own = _copy(scene)
            own.later = {**own.later, **saved}
            task = self._task(key, child, own, around)
            if task is not None:
                found.append(task)
        self._weighed(entry.key, "task", found)
        return tuple(found)

    def _task(self, key: Scalar, node: Node, scene: Scene, around: _Around) -> UserTask | None:
        hint = "{weight: 3, steps: [{http: GET /}]}"
        if not isinstance(node, MappingNode):
            self._reader.wrong(node, f"a task is a mapping, not {describe(node)}", hint)
            return None
        found = self._reader.fields(node, OF_TASK, self._steps.place(scene), what="a task", also=("steps",))
        if "steps" not in node.entries:
            self._reader.wrong(key, 'a task needs "steps"', hint)
            return None
        steps = self._list(node.entries["steps"].value, scene, around)
        if isinstance(found, Bad) or BAD in found.values():
            return None
        return UserTask(name=key.text, steps=steps, weight=float(found["weight"]), tags=tuple(found["tags"]))

    def _named(self, entry: Entry, what: str, hint: str) -> list[tuple[Scalar, Node]]:
        node = entry.value
        if not isinstance(node, MappingNode) or not node.entries:
            found = "an empty one" if isinstance(node, MappingNode) else describe(node)
            self._reader.wrong(node, f"{what} are a mapping of names, not {found}", f"{what}: {hint}")
            return []
        return [(key, child) for key, child in node if self._reader.identifier(key, f"a {what[:-1]}")]

    def _weighed(self, key: Scalar, what: str, found: list[Any]) -> None:
        if found and not any(each.weight > 0 for each in found):
            self._reader.wrong(key, f"every {what} has the weight 0: none would ever come", "weight: 1")

    # -- steps

    def _list(self, node: Node, scene: Scene, around: _Around) -> tuple[UserStep, ...]:
        if not isinstance(node, Sequence) or not node.items:
            found = "an empty one" if isinstance(node, Sequence) else describe(node)
            self._reader.wrong(node, f"steps are a list, not {found}", "[{http: GET /}, {think: 1s}]")
            return ()
        scene.later = {
            **scene.later,
            **{n: f"{n} is saved in line {line}, after this" for n, line in saves_of(node).items()},
        }
        steps = [self._step(item, scene, around) for item in node.items]
        if steps[0] is not None and steps[0].call is None:
            self._reader.wrong(
                node.items[0],
                "users begin with a request, and think after it",
                "the load's own think: is between tasks",
            )
        return tuple(s for s in steps if s is not None)

    def _step(self, node: Node, scene: Scene, around: _Around) -> UserStep | None:
        if not isinstance(node, MappingNode):
            self._reader.wrong(node, f"a step is a mapping, not {describe(node)}", "for example {http: GET /}")
            return None
        if "think" in node.entries and "http" not in node.entries:
            found = self._reader.fields(node, {"think": THINK}, Place(), what="a step that thinks")
            think = found["think"] if not isinstance(found, Bad) else BAD
            return UserStep(think_ns=int(think.value)) if isinstance(think, Quantity) else None
        before = len(self._reader.problems)
        step = self._request(node, scene, around)
        save = node.get("save")
        for key, _ in save if isinstance(save, MappingNode) and len(self._reader.problems) > before else ():
            scene.values.setdefault(key.text, Type.ANY)  # one mistake, one problem
        return step

    def _request(self, node: MappingNode, scene: Scene, around: _Around) -> UserStep | None:
        http = self._http
        if http is None or not self._speaks_http(node):
            return None
        known = ("http", *(n for n in SENT if n in http.arguments), "as", *OF_STEP)
        unknown = [key for key, _ in node if key.text not in known]
        for key in unknown:
            self._reader.unknown_key(key, known, "a user's step")
        if unknown:
            return None
        whole = MappingNode(
            source=node.source, line=node.line, column=node.column, entries={**around.entries, **node.entries}
        )
        seen = {n: t for n, t in http.observes.items() if n in SEEN}
        read = self._steps.request(whole, scene, OF_STEP, what="a user's step", seen=seen)
        if read is None or not self._path(node.entries["http"].value):
            return None
        call, found = read
        save: Mapping[str, Expression] = found["save"]
        self._saved(node, save, scene)
        return UserStep(call=call, tag=str(found["tag"] or ""), expect=found["expect"], save=save)

    def _speaks_http(self, node: MappingNode) -> bool:
        other = next((key for key, _ in node if key.text != "http" and key.text in self._vocabulary.verbs), None)
        if other is not None:
            self._reader.wrong(other, f"users cannot use {other.text} yet", "their steps speak http, or think")
        elif "http" not in node.entries:
            self._reader.wrong(node, "a user's step asks or thinks", "{http: GET /}, or {think: 1s}")
        return other is None and "http" in node.entries

    def _path(self, node: Node) -> bool:
        text = node.text if isinstance(node, Scalar) else ""
        method, _, _ = text.strip().partition(" ")
        if method.isalpha() and method not in METHODS:
            self._reader.wrong(node, f"a load cannot send {method}", f"it can send {', '.join(METHODS)}")
            return False
        if "://" in text.partition("{{")[0].partition("?")[0]:
            self._reader.wrong(
                node, "a user's step has a path; where to is said by the load", "http: GET /items, and at: of the load"
            )
            return False
        return True

    def _saved(self, node: MappingNode, save: Mapping[str, Expression], scene: Scene) -> None:
        inner = node.get("save")
        for name, path in save.items():
            if isinstance(inner, MappingNode) and self._reader.name(
                inner.entries[name].key, "a value", {**self._given, **_OWN}
            ):
                scene.values[name] = path.type
                scene.later.pop(name, None)

    # -- tags

    def _selection(self, node: MappingNode, what: str, flows: UserFlows) -> None:
        tags = flows.selectable
        for name in ("only", "skip"):
            inner = node.get(name)
            for item in inner.items if isinstance(inner, Sequence) else [inner] if inner is not None else []:
                tag = self._reader.text(item) if isinstance(item, Scalar) else None
                if isinstance(tag, str) and tag not in tags:
                    hint = f"tags: {listing(tags, 30) or 'none'}. {did_you_mean(tag, tags)}".rstrip()
                    self._reader.wrong(item, f"no kind and no task has the tag {shorten(tag)}", hint)
                    return
        if flows.kinds and not flows.selected:
            place = next((node.entries[n].key for n in ("only", "skip") if n in node.entries), node.entries[what].key)
            self._reader.wrong(place, "these tags leave nobody and nothing to do", f"tags: {listing(tags, 30)}")


def _copy(scene: Scene) -> Scene:
    return replace(scene, values=dict(scene.values), later=dict(scene.later))
