"""Specs: YAML with exact positions, compiled to a frozen Plan; every mistake at once."""

from __future__ import annotations

from .compiling import compile_spec
from .compose import compose_file_in
from .schema import json_schema, stack_schema, variant_schema
from .single import compile_check, compile_stack, compile_stack_text
from .variants import load_variant

__all__ = [
    "compile_check",
    "compile_spec",
    "compile_stack",
    "compile_stack_text",
    "compose_file_in",
    "json_schema",
    "load_variant",
    "stack_schema",
    "variant_schema",
]
