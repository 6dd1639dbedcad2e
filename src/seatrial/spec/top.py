"""The top level of a spec: its keys, and the language that it is in."""

from __future__ import annotations

from ..core.shapes import BOOLEAN
from .health import KEY as HEALTH
from .nodes import Mapping as MappingNode
from .nodes import Scalar, describe
from .reading import Place, Reader

TOP = (
    "seatrial", "name", "stack", "requirements", "values", "secrets", "identities", "workloads", "loads", "steady", "throughout", "setup",
    "scenarios", "expect", "python", "defaults", "profiles", "scale", "include", "require-proof", "waivers", "tested", "stack-health",
)  # fmt: skip


def check_top(reader: Reader, root: MappingNode) -> None:
    """Say what is unknown there, and what is missing."""
    for key, _ in root:
        if key.text not in TOP:
            reader.unknown_key(key, TOP, "a spec")
    version = root.get("seatrial")
    if version is None:
        reader.wrong(root, "a spec says which language it is in", "begin with seatrial: 1")
    elif not isinstance(version, Scalar) or version.value != 1:
        reader.wrong(
            version, f"{describe(version)} is no version of the spec language", "this seatrial reads seatrial: 1"
        )
    for part in ("stack", "scenarios"):
        if part not in root.entries and not (part == "scenarios" and {"python", HEALTH} & set(root.entries)):
            reader.wrong(
                root,
                f'a spec needs "{part}"',
                "stack: stack.yaml" if part == "stack" else "scenarios: {smoke: {steps: [...]}}",
            )


def wants_proof(reader: Reader, root: MappingNode) -> bool:
    """Whether a check that nobody has seen fail shows nothing."""
    node = root.get("require-proof")
    return node is not None and reader.read(node, BOOLEAN, Place(literal=True)) is True
