"""Loads: requests over time, from an open or a closed model, measured as aggregates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.clusters import EXAMPLE as ADDRESS
from ..core.clusters import is_address
from ..core.expressions import Type
from ..core.expressions.problems import listing
from ..core.load_plans import LoadPlan, LoadRequest, scaled, tags_of
from ..core.plan import ProbeCall
from ..core.shapes import (
    BOOLEAN,
    COUNT,
    DURATION,
    IDENTIFIER,
    INTEGER,
    REQUEST,
    TEXT,
    Field,
    choice,
    list_of,
    reference,
    union,
)
from ..core.stack import Target
from ..core.templates import Template
from ..core.vocabulary import Verb, Vocabulary
from .crowds import USERS, Crowd, crowd_of
from .judging import JUDGING, Judging, is_judged
from .keys import CALL, SOME_TIME, Scene, ns_of
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, is_file, shorten
from .profiles import Profiles
from .reading import BAD, Bad, Reader
from .steps import ADDRESS as WHOLE
from .steps import Steps
from .tools import FIELDS as TOOLS
from .tools import Tools, tool_of
from .users import FLOWS, METHODS, WEIGHT, Users
from .users import USERS as BY_USERS
from .workloads import ARRIVALS, KINDS, SOME_RATE, call_arguments

PROTOCOLS = ("http2", "websocket", "grpc", "sql", "redis")
LOAD: Mapping[str, Field] = {
    "title": Field(shape=TEXT, doc="For people."),
    "rate": Field(shape=SOME_RATE, doc="Requests at a constant rate (open model).", example="200/s"),
    "arrivals": Field(shape=ARRIVALS, doc="Another schedule: ramp, steps, spike, poisson.", example="{poisson: 200/s}"),
    "users": Field(
        shape=USERS,
        doc="So many users, or so many over time, who wait for their answers (closed model).",
        example="100",
    ),
    "profile": Field(
        shape=reference("profile"),
        doc="Users and a length by name, scaled together: smoke, load, stress, spike, endurance, or one of `profiles`.",
        example="load",
    ),
    "think": Field(shape=SOME_TIME, doc="How long a user waits before the next request (0s).", example="1s"),
    "for": Field(shape=SOME_TIME, doc="How long it sends (until its scenario ends).", example="30s"),
    "warm-up": Field(shape=DURATION, doc="The beginning that is not judged (0s).", example="5s"),
    "window": Field(shape=SOME_TIME, doc="Length of the sliding windows of `worst` (10s).", example="10s"),
    "timeout": Field(shape=SOME_TIME, doc="Of a request, from when it was due (5s).", example="2s"),
    "connections": Field(shape=COUNT, default=256, doc="At most so many; what waits for one waits in the figures."),
    "accept": Field(shape=list_of(INTEGER), default=(), doc="Statuses that are ok beside 2xx and 3xx."),
    "protocol": Field(
        shape=choice("http1", *PROTOCOLS),
        doc="What a script's clients speak, or http2 for http (http1).",
        example="http2",
    ),
    "workers": Field(shape=COUNT, default=1, doc="Generator processes that share the load."),
    "on": Field(shape=TEXT, doc="The scheduler of a Dask cluster, whose workers send it.", example=ADDRESS),
    "files": Field(shape=list_of(TEXT), default=(), doc="What the script reads: goes with it to other machines."),
    "pool": Field(
        shape=choice("lifo", "fifo"),
        doc="Which free connection is next: the last that was used (lifo), or each in turn, which touches every backend.",
    ),
    "verify": Field(
        shape=union(BOOLEAN, TEXT), doc="Check the certificate: true, false, or a file with the authority."
    ),
    "cert": Field(shape=TEXT, doc="The client's certificate, a file beside the spec.", example="client.pem"),
    "key": Field(shape=TEXT, doc="Its key, unless it is in the same file.", example="client.key"),
}
SCRIPT: Mapping[str, Field] = {
    "script": Field(
        shape=TEXT,
        doc="An async function that is given a user, or a generator function that yields requests and is sent their answers.",
        example="users.py:shopper",
    ),
    "requests": Field(
        shape=list_of(REQUEST, lenient=False),
        doc="A mix of requests, each with a weight and a tag.",
        example="[{http: GET /, weight: 3, tag: home}]",
    ),
}
_OF_HTTP = ("accept", "as", "verify", "cert", "key")  # statuses, identities and certificates
_FILES = {"verify": "authority.pem", "cert": "client.pem", "key": "client.key"}
OF_MIX: Mapping[str, Field] = {
    "weight": WEIGHT,
    "tag": Field(shape=IDENTIFIER, doc="Its figures apart from the others': tag.NAME.p95."),
}


class Loads:
    """Reads the loads of a spec. `metrics`: the figures of a load with these tags and these keys, as a record."""

    def __init__(
        self,
        steps: Steps,
        vocabulary: Vocabulary,
        directory: Path,
        profiles: Profiles,
        metrics: Callable[[tuple[str, ...] | None, tuple[str, ...]], Type],
    ) -> None:
        self._metrics = metrics
        self._steps = steps
        self._reader = steps.reader
        self._verbs = {n: v for n, v in vocabulary.verbs.items() if v.client}
        self._directory = directory
        self._users = Users(steps, vocabulary, directory)
        self._profiles = profiles

    @property
    def files(self) -> list[Path]:
        """Those of data that were read."""
        return self._users.files

    def read(self, name: str, node: Node, values: Mapping[str, Type], later: Mapping[str, str]) -> LoadPlan | None:
        """One load; None after a problem."""
        if not isinstance(node, MappingNode):
            hint = "for example {http: GET /, at: web, rate: 100/s}"
            self._reader.wrong(node, f"a load is a mapping, not {describe(node)}", hint)
            return None
        if tool_of(node):
            return Tools(self._steps, self._directory).read(name, node, values, later)
        scene = Scene(values=dict(values), later=dict(later))
        kinds = (*self._verbs, "requests", "script", *BY_USERS)
        what = [k for k in kinds if k in node.entries]
        if len(what) != 1:
            message = f"a load has one of {listing((*kinds, *TOOLS), 30)}, this one has {' and '.join(what) or 'none'}"
            self._reader.wrong(node, message, "for example http: GET /")
            return None
        by_users = what[0] in BY_USERS
        sent = sent_with(self._verbs[what[0]]) if what[0] in self._verbs else {}
        own = {**LOAD, **CALL, **(FLOWS if by_users else sent)}
        also = (*what, "begin") if by_users and what != ["kinds"] else tuple(what)
        found = self._reader.fields(node, own, self._steps.place(scene), what="a load", also=(*also, *JUDGING))
        requests = self._requests(node, what[0], scene)
        if isinstance(found, Bad) or BAD in found.values() or requests is None:
            return None
        model = self._model(node, found)
        script = self._script(node, found["at"]) if what == ["script"] else ""
        flows = self._users.read(node, what[0], found, scene) if by_users else None
        protocol = self._protocol(node, found["protocol"], requests)
        files = tls_files(self._reader, node, found, self._directory)
        if model is None or script is None or files is None or protocol is None or (by_users and flows is None):
            return None
        if not self._elsewhere(node, found, script) or not self._means_something(node, protocol):
            return None
        closed = self._closed(node, found)
        if closed is None:
            return None
        tags = tags_of(requests, flows) if not script else None
        extras = tuple(key for key in JUDGING if key in node.entries)
        judging = Judging(self._reader, self._metrics(tags, extras).fields, self._directory)
        abort, baseline = judging.abort(node, closed["warm_up_ns"]), judging.baseline(node)
        window_ns = ns_of(found["window"], 10_000_000_000)
        search = judging.search(node, window_ns)
        if abort is None or baseline is None or (search is None and "search" in node.entries):
            return None
        return LoadPlan(
            name=name,
            requests=requests,
            script=script,
            flows=flows,
            protocol=protocol,
            at=found["at"] if isinstance(found["at"], Target) else None,
            identity=found["as"],
            directory=self._directory,
            arrivals=model,
            **closed,
            **files,
            think_ns=ns_of(found["think"], 0),
            window_ns=window_ns,
            timeout_ns=ns_of(found["timeout"], 5_000_000_000),
            connections=found["connections"],
            pool=found["pool"] or "lifo",
            accept=tuple(found["accept"]),
            workers=found["workers"],
            abort=abort,
            baseline=baseline,
            search=search,
            on=found["on"] or "",
            files=found["files"],
            position=node.position(),
        )

    def _protocol(self, node: MappingNode, given: str | None, requests: tuple[LoadRequest, ...]) -> str | None:
        """What its clients speak; None after a problem."""
        verbs = list(dict.fromkeys(r.call.verb for r in requests)) or ["http"]
        own = self._verbs[verbs[0]].client
        if len(verbs) > 1:
            self._reader.wrong(
                node.entries["requests"].key,
                f"a load speaks one protocol, this one {' and '.join(verbs)}",
                "make two loads of it",
            )
            return None
        if given is not None and requests and (given not in ("http1", "http2") or verbs != ["http"]):
            self._reader.wrong(
                node.entries["protocol"].value, f"{verbs[0]} does not speak {given}", "leave protocol out"
            )
            return None
        return given or own

    def _means_something(self, node: MappingNode, protocol: str) -> bool:
        """Whether its protocol has what the load says: statuses, identities, certificates, connections that take turns."""
        absent = {
            "http1": (), "http2": ("pool",), "sql": _OF_HTTP, "redis": _OF_HTTP,
        }.get(protocol, ("accept",))  # fmt: skip
        listed = node.get("requests")
        items = [i for i in listed.items if isinstance(i, MappingNode)] if isinstance(listed, Sequence) else []
        before = len(self._reader.problems)
        for place in (node, *items):
            for name in absent:
                if name in place.entries:
                    hint = f"leave {name} out"
                    self._reader.wrong(place.entries[name].key, f"{name} means nothing over {protocol}", hint)
        return len(self._reader.problems) == before

    def _requests(self, node: MappingNode, what: str, scene: Scene) -> tuple[LoadRequest, ...] | None:
        """The mix; empty for a script or users, None after a problem."""
        if what == "script" or what in BY_USERS:
            return ()
        if what in self._verbs:
            kept = {n: e for n, e in node.entries.items() if n in (what, *sent_with(self._verbs[what]), *CALL)}
            made = self._request(
                MappingNode(source=node.source, line=node.line, column=node.column, entries=kept), scene
            )
            return None if made is None else (made,)
        listed = node.get("requests")
        if not isinstance(listed, Sequence) or not listed.items:
            self._reader.wrong(listed or node, "requests are a list", "requests: [{http: GET /, weight: 3, tag: home}]")
            return None
        shared = {n: node.entries[n] for n in CALL if n in node.entries}
        found = []
        for item in listed.items:
            if isinstance(item, MappingNode):
                entries = {**item.entries, **{n: e for n, e in shared.items() if n not in item.entries}}
                item = MappingNode(source=item.source, line=item.line, column=item.column, entries=entries)
            found.append(self._request(item, scene))
        requests = tuple(r for r in found if r is not None)
        return requests if None not in found and self._together(listed, requests) else None

    def _together(self, listed: Sequence, requests: tuple[LoadRequest, ...]) -> bool:
        """Whether one client can send them all: it has one place to send to, and one identity where that belongs to a connection."""
        first, hint = requests[0].call, "make two loads of it"
        for item, request in zip(listed.items, requests, strict=True):
            call = request.call
            if call.verb != first.verb:
                continue  # several protocols: _protocol says so
            if place_of(call) != place_of(first):
                place = item.entries["at"].value if isinstance(item, MappingNode) and "at" in item.entries else item
                message = f"a load is sent to one place, this one to {place_of(first)} and {place_of(call)}"
            elif call.verb != "http" and call.identity != first.identity:
                place = item.entries["as"].value if isinstance(item, MappingNode) and "as" in item.entries else item
                message = f"a load over {call.verb} has one identity, this one {first.identity or 'none'} and {call.identity or 'none'}"
            else:
                continue
            self._reader.wrong(place, message, hint)
            return False
        return True

    def _request(self, node: Node, scene: Scene) -> LoadRequest | None:
        if isinstance(node, MappingNode):
            verb = self._steps.verb(node, tuple(self._verbs), "a load's request")
            if verb is None:
                return None
            known = (verb.text, *sent_with(self._verbs[verb.text]), *CALL, *OF_MIX)
            for key, _ in node:
                if key.text not in known:
                    self._reader.unknown_key(key, known, "a load's request")
                    return None
        read = self._steps.request(node, scene, OF_MIX, what="a load's request")
        if read is None:
            return None
        call, found = read
        method = str(call.what).strip().partition(" ")[0]
        if isinstance(node, MappingNode) and call.verb == "http" and method.isalpha() and method not in METHODS:
            self._reader.wrong(
                node.entries["http"].value, f"a load cannot send {method}", f"it can send {', '.join(METHODS)}"
            )
            return None
        return LoadRequest(call=call, weight=float(found["weight"]), tag=str(found["tag"] or ""))

    def _model(self, node: MappingNode, found: Mapping[str, Any]) -> Mapping[str, object] | None:
        """The arrivals of an open model, nothing for a closed one; None after a problem."""
        given = [n for n in ("rate", "arrivals", "users", "profile") if found[n] is not None]
        given += ["search"] if "search" in node.entries else []
        if len(given) != 1:
            has = f"this one has {' and '.join(given)}" if given else "this one has none"
            message = f"a load has one of rate, arrivals, users, profile and search, {has}"
            self._reader.wrong(node, message, "for example rate: 200/s")
            return None
        if given == ["search"]:
            return {}
        closed = given[0] in ("users", "profile")
        if found["think"] is not None and not closed:
            self._reader.wrong(node.entries["think"].key, "only users think", "users: 100")
            return None
        if found["pool"] is not None and closed:
            self._reader.wrong(
                node.entries["pool"].key, "users have a connection each", "pool is for rate and arrivals"
            )
            return None
        if closed:
            return {}
        if given == ["rate"]:
            return {"constant": found["rate"]}
        arrivals = {n: v for n, v in found["arrivals"].items() if v is not None}
        if len(arrivals) != 1:
            self._reader.wrong(node.entries["arrivals"].value, "arrivals are of one kind", KINDS)
            return None
        return arrivals

    def _elsewhere(self, node: MappingNode, found: Mapping[str, Any], script: str) -> bool:
        """Whether what it needs to be sent from other machines can be meant."""
        files, before = node.get("files"), len(self._reader.problems)
        if found["on"] is not None and not (isinstance(found["on"], str) and is_address(found["on"])):
            self._reader.wrong(
                node.entries["on"].value, "on is the address of a Dask scheduler", f"for example {ADDRESS}"
            )
        if files is not None and not script:
            self._reader.wrong(node.entries["files"].key, "only a script reads files", "script: users.py:shopper")
        each = files.items if isinstance(files, Sequence) else [files] if files is not None else []
        for item, name in zip(each, found["files"], strict=False):
            if not (isinstance(name, str) and is_file(self._directory / name)):
                self._reader.wrong(item, f"there is no file {shorten(name)}", "beside the spec: files: [users.csv]")
        return len(self._reader.problems) == before

    def _closed(self, node: MappingNode, found: Mapping[str, Any]) -> dict[str, Any] | None:
        """How many users, and how long, as LoadPlan has it; None after a problem."""
        for_ns, warm_up_ns, profile, crowd = ns_of(found["for"]), ns_of(found["warm-up"], 0), None, Crowd(peak=0)
        if found["profile"] is not None:
            if for_ns is not None:
                hint = f"profiles: {{{found['profile']}: {{for: {found['for']}}}}} beside loads"
                self._reader.wrong(node.entries["for"].key, "a profile has a length of its own", hint)
                return None
            crowd, profile = self._profiles.of(found["profile"])
            for_ns, warm_up_ns = profile.for_ns, scaled(warm_up_ns, profile.scale)
        elif found["users"] is not None:
            read = crowd_of(self._reader, node.entries["users"].value, found["users"])
            if read is None:
                return None
            crowd, for_ns = read, for_ns or read.ends_ns
        if for_ns is not None and (unseen := crowd.unseen(for_ns)):
            place = node.get("for") or node
            self._reader.wrong(place, f"the load ends before {unseen} begins", "a longer for")
            return None
        if for_ns is not None and for_ns <= _last_begins_ns(found["arrivals"]):
            self._reader.wrong(node.entries["for"].value, "the load ends before all its arrivals begin", "a longer for")
            return None
        if crowd.peak and found["workers"] > crowd.peak:
            place = node.entries["workers"].value
            self._reader.wrong(place, f"{found['workers']} workers for {crowd.peak} users", "at most a worker a user")
            return None
        if not is_judged(self._reader, node, warm_up_ns, for_ns):
            return None
        lengths = {"for_ns": for_ns, "warm_up_ns": warm_up_ns, "profile": profile}
        return {"users": crowd.peak, "crowd": crowd.over_time, **lengths}

    def _script(self, load: MappingNode, at: object) -> str | None:
        if at is None:
            hint = f"services: {listing(self._reader.known.services, 30) or 'none'}"
            self._reader.wrong(load.entries["script"].key, 'a script needs "at": where it sends', hint)
            return None
        node = load.get("script")
        text = self._reader.text(node) if isinstance(node, Scalar) else None
        file, _, function = text.partition(":") if isinstance(text, str) else ("", "", "")
        if node is None or not function:
            self._reader.wrong(node, "a script is file.py:function", "script: users.py:shopper") if node else None
            return None
        if not is_file(self._directory / file):
            self._reader.wrong(node, f"there is no file {shorten(file)}", "beside the spec: script: users.py:shopper")
            return None
        return f"{file}:{function}"


def place_of(call: ProbeCall) -> str:
    """Where a request goes: its target, or the host of its whole address."""
    text = call.what.source if isinstance(call.what, Template) else str(call.what)
    found = WHOLE.match(text)
    return f"{found['scheme']}://{found['authority']}".lower() if found else str(call.at)


def sent_with(verb: Verb) -> dict[str, Field]:
    """What a load's request may have; `verify` is the load's own, whose requests share connections."""
    return {n: f for n, f in call_arguments(verb).items() if n != "verify"}


def tls_files(reader: Reader, node: MappingNode, found: Mapping[str, Any], directory: Path) -> dict[str, Any] | None:
    """verify, cert and key with whole paths; None after a problem."""
    kept: dict[str, Any] = {"verify": found["verify"], "cert": "", "key": ""}
    for name in ("verify", "cert", "key"):
        value = found[name]
        if value is None or isinstance(value, bool):
            continue
        place = node.entries[name].value
        if not isinstance(value, str):
            reader.wrong(place, f"{name} is needed before there are values", "a path beside the spec")
            return None
        if not is_file(directory / value):
            reader.wrong(place, f"there is no file {value}", f"beside the spec: {name}: {_FILES[name]}")
            return None
        kept[name] = str(directory / value)
    if kept["key"] and not kept["cert"]:
        reader.wrong(node.entries["key"].key, "a key without its certificate", "cert: client.pem")
        return None
    return kept


def _last_begins_ns(arrivals: Mapping[str, Any] | None) -> int:
    """When the spike of a schedule begins, or its last step; -1 where nothing of it comes later, or it is wrong, as was said."""
    given = arrivals or {}
    if given.get("spike"):
        after = given["spike"]["after"]
        return -1 if isinstance(after, Bad) else int(after.value)
    before = [s["for"] for s in (given.get("steps") or ())[:-1]]
    return sum(int(b.value) for b in before) if before and not any(isinstance(b, Bad) for b in before) else -1
