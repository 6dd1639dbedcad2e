"""Which columns of two stores are held against each other, as what, and with which tolerance."""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import Problem, UsageError
from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from .kinds import Kind, common
from .results import SourceError

ALL = -1  # of expected differences: all rows
SHOWN = 20  # differing rows that a result has, unless more are asked for
Tolerance = decimal.Decimal | int  # of a number; of a time, in microseconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A column as its store has it. `native`: the type and who has it; two columns of the same are hashed alike by their servers."""

    kind: Kind
    integer: bool = False  # every value fits int64
    native: str = ""
    type: str = ""  # the store's own word, for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a store says of a table: its columns in order, and its primary key where it knows one."""

    fields: Mapping[str, Field]
    primary_key: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Differences that are stated: so many, all rows (-1), or those with exactly these keys; None: none of that kind."""

    missing: int | frozenset[tuple[str, ...]] | None = None
    extra: int | frozenset[tuple[str, ...]] | None = None
    different: int | frozenset[tuple[str, ...]] | None = None

    def __bool__(self) -> bool:
        return any(v is not None for v in (self.missing, self.extra, self.different))


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What is asked of a comparison; columns are named as A names them. Empty keys and columns: as the stores have them."""

    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)  # A's name to B's
    tolerances: Mapping[str, decimal.Decimal | int | float | str] = field(default_factory=dict)  # times as "1s"
    nfc: bool = False
    references: bool = False
    expected: Expected = Expected()
    limit: int = SHOWN  # differing rows in the result


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A pair of columns. `name` is A's."""

    name: str
    names: tuple[str, str]
    kind: Kind
    fields: tuple[Field, Field]
    tolerance: Tolerance | None = None

    @property
    def free(self) -> bool:
        """Whether its canonical text may hold anything."""
        return self.kind in (Kind.TEXT, Kind.JSON) or Kind.TEXT in (self.fields[0].kind, self.fields[1].kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Pairs of columns, keys first; the same for both sides."""

    keys: tuple[Column, ...]
    columns: tuple[Column, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    nfc: bool = False
    native: bool = False  # hashed by the servers' own types rather than by canonical text

    @property
    def all(self) -> tuple[Column, ...]:
        """Keys and columns."""
        return self.keys + self.columns

    @property
    def integer_key(self) -> bool:
        """Whether the key is one whole number."""
        return len(self.keys) == 1 and all(f.integer for f in self.keys[0].fields)


def layout_of(a: Description, b: Description, options: Options) -> Layout:
    """The pairs of columns. Raises UsageError for names that are none, SourceError for columns that cannot be compared."""
    pairs = _pairs(a, b, options)
    keys = _keys(a, b, options, pairs)
    chosen = _chosen(a, b, options, pairs, keys)
    problems: list[Problem] = []
    columns = [_column(n, a, b, options, problems) for n in (*keys, *chosen)]
    for name in options.tolerances:
        if name not in chosen:
            message = f"a tolerance for {name}, which is not compared"
            problems.append(Problem(message=message, hint=f"compared: {listing(chosen, 30) or 'no columns'}"))
    if problems:
        raise UsageError(*problems)
    renamed = set(pairs.values())
    made = tuple(c for c in columns if c is not None)
    every = [f for c in made for f in c.fields]
    return Layout(
        keys=made[: len(keys)],
        columns=made[len(keys) :],
        only=(tuple(n for n in a.fields if n not in pairs), tuple(n for n in b.fields if n not in renamed)),
        nfc=options.nfc,
        native=all(f.native for f in every) and all(c.fields[0].native == c.fields[1].native for c in made),
    )


def _pairs(a: Description, b: Description, options: Options) -> dict[str, str]:
    """A's name to B's, of all columns that both have."""
    problems = []
    for name, other in options.mapping.items():
        problems += _unknown(name, a, "the first") + _unknown(other, b, "the second")
    if problems:
        raise UsageError(*problems)
    taken = set(options.mapping.values())
    pairs = {n: options.mapping.get(n, n) for n in a.fields}
    return {n: m for n, m in pairs.items() if m in b.fields and (n in options.mapping or m not in taken)}


def _keys(a: Description, b: Description, options: Options, pairs: Mapping[str, str]) -> tuple[str, ...]:
    back = {m: n for n, m in pairs.items()}
    theirs = tuple(back.get(n, "") for n in b.primary_key)
    known = options.keys or a.primary_key or (theirs if all(theirs) else ())
    if not known:
        columns = listing(pairs, 30) or "none that both have"
        raise UsageError.simple("neither store knows a primary key", f"say which columns are the key: {columns}")
    problems = [p for n in known for p in _unknown(n, a, "the first")]
    problems += [
        Problem(
            message=f"the second has no column {n} for the key",
            hint=f"columns: {listing(b.fields, 30)}; map it to one of these",
        )
        for n in known
        if n in a.fields and n not in pairs
    ]
    if problems:
        raise UsageError(*problems)
    return known


def _chosen(
    a: Description, b: Description, options: Options, pairs: Mapping[str, str], keys: Sequence[str]
) -> tuple[str, ...]:
    if options.references:
        return ()
    problems = [p for n in options.columns for p in _unknown(n, a, "the first")]
    problems += [
        Problem(message=f"the second has no column {n}", hint=f"columns: {listing(b.fields, 30)}")
        for n in options.columns
        if n in a.fields and n not in pairs
    ]
    either = {**a.fields, **b.fields}
    for name in options.ignore:
        if name not in either:
            hint = f"columns: {listing(either, 30)}. {did_you_mean(name, either)}".rstrip()
            problems.append(Problem(message=f"ignored is {name}, which neither store has", hint=hint))
    if problems:
        raise UsageError(*problems)
    return tuple(n for n in (options.columns or pairs) if n not in keys and n not in options.ignore)


def _unknown(name: str, where: Description, which: str) -> list[Problem]:
    if name in where.fields:
        return []
    hint = f"columns: {listing(where.fields, 30)}. {did_you_mean(name, where.fields)}".rstrip()
    return [Problem(message=f"{which} has no column {name}", hint=hint)]


def _column(name: str, a: Description, b: Description, options: Options, problems: list[Problem]) -> Column | None:
    names = (name, options.mapping.get(name, name))
    fields = (a.fields[names[0]], b.fields[names[1]])
    kind = common(fields[0].kind, fields[1].kind)
    if kind is None:
        types = " with ".join(f.type or f.kind.value for f in fields)
        raise SourceError(
            "type", f"column {name} cannot be compared: {types}; leave it out (ignore), or convert it in a query"
        )
    given = options.tolerances.get(name)
    try:
        tolerance = None if given is None else tolerance_of(given, kind)
    except ValueError as error:
        problems.append(Problem(message=f"tolerance of {name}: {error}"))
        return None
    return Column(name=name, names=names, kind=kind, fields=fields, tolerance=tolerance)


def tolerance_of(given: object, kind: Kind) -> Tolerance:
    """A tolerance for columns of a kind. Raises ValueError."""
    from ..core.quantities import Dimension, Quantity, QuantityError, parse_quantity

    if kind in (Kind.TIME, Kind.DATE):
        try:
            quantity = given if isinstance(given, Quantity) else parse_quantity(str(given), Dimension.DURATION)
        except QuantityError as error:
            raise ValueError(str(error)) from None
        return round(quantity.value / 1000)
    if kind is not Kind.NUMBER:
        raise ValueError(f"a {kind.value} has none")
    try:
        number = decimal.Decimal(str(given.value if isinstance(given, Quantity) else given))
    except decimal.InvalidOperation:
        raise ValueError(f"{given} is no number") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"{given} is not 0 or more")
    return number
