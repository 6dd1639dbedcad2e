"""The machine's own programs that do the work: found by trying, and asked in their own words."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence

from ...core.errors import NotExercised

_PACKAGES = {"iptables": "iptables", "ip6tables": "iptables", "tc": "iproute2", "ip": "iproute2"}
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # where an ordinary PATH does not lead
_WITHIN_S = 20.0
_LINES = 2


@functools.cache
def find(name: str) -> str | None:
    """Where a program is."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}")


def need(name: str) -> str:
    """Where it is. Raises NotExercised saying what to install."""
    path = find(name)
    if path is None:
        package = _PACKAGES.get(name.removesuffix("-save").removesuffix("-restore"), name)
        raise NotExercised(f"the program {name} is missing on this machine: install {package}")
    return path


def run(argv: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
    """Exit status, output and complaints of a program that is at hand."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return 1, "", f"{argv[0]} did not end within {_WITHIN_S:g} s"
    return done.returncode, done.stdout, done.stderr


def words(complaint: str) -> str:
    """What a program says is wrong, in a line."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Try `", "Error occurred at line"))]
    return "; ".join(told[:_LINES]) or "it does not say why"
