"""The JSON Schemas that `seatrial schema` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .vocabulary import vocabulary


def _spec() -> dict[str, Any]:
    from ..spec import json_schema

    return json_schema(vocabulary())


def _stack() -> dict[str, Any]:
    from ..spec import stack_schema

    return stack_schema(vocabulary())


def _variant() -> dict[str, Any]:
    from ..spec import variant_schema

    return variant_schema(vocabulary())


def _report() -> dict[str, Any]:
    from ..reports.schema import report_schema

    return report_schema()


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "spec": _spec,
    "stack": _stack,
    "variant": _variant,
    "report": _report,
}
