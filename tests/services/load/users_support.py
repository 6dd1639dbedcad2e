"""Users as a spec has them, against a shop that remembers who asked what."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from load_support import MS

from seatrial.api.loads import configuration
from seatrial.api.secrets import Secrets
from seatrial.api.vocabulary import vocabulary
from seatrial.core.load_plans import LoadPlan
from seatrial.core.plan import Plan
from seatrial.core.redaction import Redactor
from seatrial.core.workloads import RenderedRequest
from seatrial.engine.probing import Prober
from seatrial.engine.users import user_requests
from seatrial.spec import compile_spec


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Shop:
    """A login that gives a token and a cookie, items, a cart; `asked`: everything, in order. `close`: after each answer."""

    close: bool = False
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, tuple[int, object, str]] = field(
        default_factory=dict
    )  # by path: status, JSON, further header lines

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append(Asked(method, path, headers, body))
            status, content, more = self.answer(self.asked[-1])
            data = json.dumps(content).encode()
            ending = "Connection: close\r\n" if self.close else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{more}{ending}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            if self.close:
                return

    def answer(self, asked: Asked) -> tuple[int, object, str]:
        path = asked.path.partition("?")[0]
        if path in self.answers:
            return self.answers[path]
        if path == "/login":
            return (
                200,
                {"token": f"t-{asked.json['user']}"},
                f"Set-Cookie: session={asked.json['user']}; Path=/; HttpOnly\r\n",
            )
        return 200, {"path": path, "price": 7, "id": path.rpartition("/")[2]}, ""

    def counted(self) -> Counter[str]:
        """How often each path was asked for, without its query."""
        return Counter(a.path.partition("?")[0] for a in self.asked)


def plan_of(directory: Path, load: str, *, values: str = "{}", at: str = "http://127.0.0.1:1") -> Plan:
    """A spec with a load `people` (YAML), in that directory."""
    spec = directory / "seatrial.yaml"
    spec.write_text(
        yaml.safe_dump(
            {
                "seatrial": 1,
                "stack": {"remote": {"services": {"web": at}}},
                "values": yaml.safe_load(values),
                "loads": {"people": yaml.safe_load(load)},
                "scenarios": {"up": {"steps": [{"load": "people"}], "expect": {"asked": "people.due > 0"}}},
            },
            sort_keys=False,
        )
    )
    return compile_spec(spec, vocabulary(), environment={})


async def users(
    directory: Path,
    url: str,
    load: str,
    *,
    values: Mapping[str, object] | None = None,
    share: tuple[int, int] = (0, 1),
    **more: Any,
) -> dict[str, Any]:
    """A worker's configuration for a load of a spec; for half a second, unless it says otherwise."""
    plan: LoadPlan = plan_of(directory, load, values=json.dumps(dict.fromkeys(values or {}, ""))).loads["people"]
    assert plan.flows is not None
    prober = Prober(vocabulary(), Secrets({}), Redactor([]))
    request = RenderedRequest(urls=(url,), users=await user_requests("people", plan.flows, values or {}, prober))
    config = configuration(plan, [request], directory / "x.load")
    config["for_ns"] = config["for_ns"] or 500 * MS
    # as through the pipe
    return json.loads(json.dumps({**config, "share": list(share), "start_ns": 0, **more}))  # type: ignore[no-any-return]
