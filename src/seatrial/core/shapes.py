"""Shapes: what may stand at a place of a spec.

One description serves three readers: validation with positions, the JSON Schema for editors, and the documentation.
Variants (probes, faults, kinds, models) describe their arguments with shapes, so that the spec compiler knows nothing of
any of them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from .expressions import Type
from .quantities import Dimension


class ShapeKind(enum.Enum):
    """The kinds of shape; what the compiler makes of a node is given beside each."""

    TEXT = "text"  # str or Template
    INTEGER = "whole number"  # int
    NUMBER = "number"  # float
    BOOLEAN = "true or false"  # bool
    QUANTITY = "quantity"  # Quantity
    CHOICE = "one of"  # str
    IDENTIFIER = "identifier"  # str, [a-z0-9-_.]
    CONDITION = "expression"  # Expression of type bool, over the scope of the place
    PATH = "path"  # Expression of any type
    TARGET = "target"  # Target
    REFERENCE = "reference"  # str, the name of something of that `refers` class
    LIST = "list"  # tuple; a single value is a list of one where `lenient`
    MAPPING = "mapping"  # dict with free keys
    RECORD = "record"  # dict with known keys
    UNION = "any of"  # whatever the first matching option makes
    REQUEST = "request"  # a nested probe: {http: GET /x, at: web, ...} -> ProbeCall
    CHECK = "check"  # a nested probe with an expectation: {http: GET /x, at: web, expect: ...} -> CheckPlan
    ANY = "anything"  # JSON-like, strings as Templates


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One shape; which attributes count depends on `kind`."""

    kind: ShapeKind
    doc: str = ""
    dimension: Dimension | None = None
    choices: tuple[str, ...] = ()
    # REFERENCE: service, workload, identity, scenario, requirement; TEXT: a service, or service#1; TARGET: link, where it has to be one
    refers: str = ""
    of: Shape | None = None
    lenient: bool = False
    fields: Mapping[str, Field] = field(default_factory=dict)
    options: tuple[Shape, ...] = ()
    least: float | None = None  # INTEGER, NUMBER, QUANTITY (base units)
    over: Mapping[str, Type] = field(default_factory=dict)  # PATH: names in place of those of where it stands


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A known key of a record."""

    shape: Shape
    doc: str = ""
    required: bool = False
    default: object = None
    example: str = ""


TEXT = Shape(kind=ShapeKind.TEXT)
INTEGER = Shape(kind=ShapeKind.INTEGER)
COUNT = Shape(kind=ShapeKind.INTEGER, least=1)
NUMBER = Shape(kind=ShapeKind.NUMBER)
BOOLEAN = Shape(kind=ShapeKind.BOOLEAN)
IDENTIFIER = Shape(kind=ShapeKind.IDENTIFIER)
CONDITION = Shape(kind=ShapeKind.CONDITION)
PATH = Shape(kind=ShapeKind.PATH)
TARGET = Shape(kind=ShapeKind.TARGET)
LINK_TARGET = Shape(kind=ShapeKind.TARGET, refers="link")
REQUEST = Shape(kind=ShapeKind.REQUEST)
CHECK = Shape(kind=ShapeKind.CHECK)
ANY = Shape(kind=ShapeKind.ANY)
DURATION = Shape(kind=ShapeKind.QUANTITY, dimension=Dimension.DURATION, least=0)
RATE = Shape(kind=ShapeKind.QUANTITY, dimension=Dimension.RATE, least=0)
RATIO = Shape(kind=ShapeKind.QUANTITY, dimension=Dimension.RATIO, least=0)
SIZE = Shape(kind=ShapeKind.QUANTITY, dimension=Dimension.SIZE, least=0)
BANDWIDTH = Shape(kind=ShapeKind.QUANTITY, dimension=Dimension.BANDWIDTH, least=0)


def choice(*choices: str) -> Shape:
    """One of these words."""
    return Shape(kind=ShapeKind.CHOICE, choices=choices)


def path_over(names: Mapping[str, Type]) -> Shape:
    """A path into something else than what the verb observes: into one of many answers."""
    return Shape(kind=ShapeKind.PATH, over=names)


def list_of(shape: Shape, *, lenient: bool = True) -> Shape:
    """A list; by default a single value counts as a list of one."""
    return Shape(kind=ShapeKind.LIST, of=shape, lenient=lenient)


def mapping_of(shape: Shape) -> Shape:
    """A mapping with free keys."""
    return Shape(kind=ShapeKind.MAPPING, of=shape)


def record(fields: Mapping[str, Field], doc: str = "") -> Shape:
    """A mapping with known keys only."""
    return Shape(kind=ShapeKind.RECORD, fields=fields, doc=doc)


def union(*options: Shape) -> Shape:
    """The first of these that matches the node."""
    return Shape(kind=ShapeKind.UNION, options=options)


def reference(refers: str) -> Shape:
    """The name of something defined elsewhere in the spec."""
    return Shape(kind=ShapeKind.REFERENCE, refers=refers)
