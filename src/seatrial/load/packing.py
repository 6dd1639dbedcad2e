"""What a load needs of this machine's files, so that it can be sent from others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CREDENTIALS = ("verify", "cert", "key")  # of a configuration, where they name files
DESCRIPTORS = "descriptors"  # of an operation over gRPC


def pack(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(the configuration with names in place of paths, and the files that go with it by these names).

    A script and what it reads (`files`) keep their places beside one another. Raises OSError for a file that cannot be read.
    """
    there = dict(config)
    directory = Path(config["directory"])
    script, _, function = config["script"].partition(":")
    found = [(directory / name).resolve() for name in ([script] if script else []) + list(config.get("files", ()))]
    files: dict[str, bytes] = {}
    if found:
        root = Path(os.path.commonpath([file.parent for file in found]))
        files = {f"script/{file.relative_to(root)}": file.read_bytes() for file in found}
        there["script"] = f"script/{found[0].relative_to(root)}:{function}" if script else ""
    for key in CREDENTIALS:
        if isinstance(config[key], str) and config[key]:
            files[key] = Path(config[key]).read_bytes()
            there[key] = key
    there["operations"] = []
    for number, operation in enumerate(config["operations"]):
        described = operation["arguments"].get(DESCRIPTORS)
        name = f"{DESCRIPTORS}-{number}"
        if described:
            files[name] = Path(described).read_bytes()
            operation = {**operation, "arguments": {**operation["arguments"], DESCRIPTORS: name}}
        there["operations"].append(operation)
    if config.get("flows"):
        data = {n: {**d, "file": f"data-{n}{Path(d['file']).suffix}"} for n, d in config["flows"]["data"].items()}
        files |= {data[n]["file"]: Path(d["file"]).read_bytes() for n, d in config["flows"]["data"].items()}
        there["flows"] = {**config["flows"], "data": data}
    return there, files


def unpack(config: Mapping[str, Any], files: Mapping[str, bytes], place: Path) -> dict[str, Any]:
    """The configuration with paths to the files that came with it, which `place` has."""

    def placed(value: Any) -> Any:
        return str(place / value) if isinstance(value, str) and value in files else value

    operations = [
        {**o, "arguments": {n: placed(v) if n == DESCRIPTORS else v for n, v in o["arguments"].items()}}
        for o in config["operations"]
    ]
    credentials = {key: placed(config[key]) for key in CREDENTIALS}
    flows = config.get("flows")
    if flows:
        flows = {**flows, "data": {n: {**d, "file": placed(d["file"])} for n, d in flows["data"].items()}}
    return {**config, **credentials, "flows": flows, "operations": operations, "directory": str(place)}
