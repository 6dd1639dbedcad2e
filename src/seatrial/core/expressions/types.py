"""Types of expressions, and the scope that they are compiled in."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..quantities import Dimension


class Kind(enum.Enum):
    """The kinds of type; the value is how a message calls one thing of it."""

    ANY = "a value known only when it is seen"
    NULL = "null"
    BOOL = "true or false"
    TEXT = "text"
    QUANTITY = "a quantity"
    LIST = "a list"
    MAP = "a mapping"
    RECORD = "a record"


@dataclass(frozen=True, kw_only=True, slots=True)
class Type:
    """A type. Use the constants (`Type.TEXT`, `Type.DURATION`, ...) and `list_of`, `map_of`, `record`, `words`.

    `dimension` belongs to QUANTITY, `of` to LIST and MAP (whose keys are free), `fields` to RECORD (whose names are all
    known), `choices` to a TEXT that is one of a few words. Any value but a record may also be null.
    """

    kind: Kind
    dimension: Dimension | None = None
    of: Type | None = None
    fields: Mapping[str, Type] = field(default_factory=dict, hash=False)
    choices: tuple[str, ...] = ()

    ANY: ClassVar[Type]
    NULL: ClassVar[Type]
    BOOL: ClassVar[Type]
    TEXT: ClassVar[Type]
    NUMBER: ClassVar[Type]
    DURATION: ClassVar[Type]
    RATE: ClassVar[Type]
    RATIO: ClassVar[Type]
    SIZE: ClassVar[Type]

    @staticmethod
    def quantity(dimension: Dimension) -> Type:
        """Quantities and intervals of that dimension; of NUMBER also plain numbers."""
        return Type(kind=Kind.QUANTITY, dimension=dimension)

    @staticmethod
    def list_of(of: Type) -> Type:
        """A list whose items are all of that type."""
        return Type(kind=Kind.LIST, of=of)

    @staticmethod
    def map_of(of: Type) -> Type:
        """A mapping with any keys, whose values are all of that type."""
        return Type(kind=Kind.MAP, of=of)

    @staticmethod
    def record(fields: Mapping[str, Type]) -> Type:
        """A mapping with these names and no others."""
        return Type(kind=Kind.RECORD, fields=dict(fields))

    @staticmethod
    def words(*choices: str) -> Type:
        """Text that is one of these words."""
        return Type(kind=Kind.TEXT, choices=choices)

    def __str__(self) -> str:
        match self.kind:
            case Kind.QUANTITY if self.dimension is not None:
                return f"a {self.dimension.value}"
            case Kind.LIST if self.of is not None and self.of.kind is not Kind.ANY:
                return f"a list (each item {self.of})"
            case _:
                return self.kind.value


Type.ANY = Type(kind=Kind.ANY)
Type.NULL = Type(kind=Kind.NULL)
Type.BOOL = Type(kind=Kind.BOOL)
Type.TEXT = Type(kind=Kind.TEXT)
Type.NUMBER = Type.quantity(Dimension.NUMBER)
Type.DURATION = Type.quantity(Dimension.DURATION)
Type.RATE = Type.quantity(Dimension.RATE)
Type.RATIO = Type.quantity(Dimension.RATIO)
Type.SIZE = Type.quantity(Dimension.SIZE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """The names that an expression may use, with their types, and what they are for people.

    `open`: names beyond these are allowed and ANY.
    """

    names: Mapping[str, Type] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    open: bool = False

    def extended(self, names: Mapping[str, Type], descriptions: Mapping[str, str] | None = None) -> Scope:
        """This scope with more names; the new ones shadow the old."""
        return Scope(
            names={**self.names, **names},
            descriptions={**self.descriptions, **(descriptions or {})},
            open=self.open,
        )

    def get(self, name: str) -> Type | None:
        """The type of a root name; None where it is unknown."""
        known = self.names.get(name)
        return Type.ANY if known is None and self.open else known


ANYTHING = Scope(open=True)
