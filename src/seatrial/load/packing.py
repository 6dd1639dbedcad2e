"""What a load needs of this machine's files, so that it can be sent from others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CREDENTIALS = ("verify", "cert", "key")  # of a configuration, where they name files


def pack(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the configuration as it is over there, what goes with it: `files` by name, and `paths`, which keys hold such a name).

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
    paths = [key for key in CREDENTIALS if isinstance(config[key], str) and config[key]]
    for key in paths:
        files[key] = Path(config[key]).read_bytes()
        there[key] = key
    return there, {"files": files, "paths": paths}
