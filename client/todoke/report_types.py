"""Report types, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report."""

    name: str
    title: str
    unit: str
    required_scope: str | None
    """Files have this column only if the caller has this scope."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            name=read.text("name"),
            title=read.some_text("title"),
            unit=read.some_text("unit"),
            required_scope=read.maybe_text("requiredScope"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class ReportType:
    """A report type: what a request for it needs."""

    name: str
    title: str
    description: str
    version: str
    formats: Sequence[str]
    parameters: Mapping[str, Any]
    """A JSON Schema."""
    columns: Sequence[Column]
    options: Mapping[str, Any]
    """A JSON Schema of the options that shape the files: time zone, columns, sort, limit, the dialect of CSV."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a report type")
        return cls(
            name=read.text("name"),
            title=read.some_text("title"),
            description=read.some_text("description"),
            version=read.some_text("version"),
            formats=read.texts("formats"),
            parameters=read.object("parameters"),
            columns=tuple(Column.read(one) for one in read.each("columns")),
            options=read.object("options"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a parameter may have."""

    value: str
    title: str
    """The name that people see."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(value=read.text("value"), title=read.some_text("title"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class Choices:
    """The values that a parameter may have now."""

    choices: Sequence[Choice]
    more: bool
    """True if there are more than these."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "the choices of a parameter")
        return cls(
            choices=tuple(Choice.read(one) for one in read.each("choices")), more=read.flag("more"), raw=read.raw
        )


@dataclass(frozen=True, slots=True)
class ReportTypes:
    """Every report type that the caller may request."""

    default: str | None
    """The report type of a request that names none."""
    types: Sequence[ReportType]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "the report types")
        return cls(
            default=read.maybe_text("default"),
            types=tuple(ReportType.from_json(one.raw) for one in read.each("reportTypes")),
            raw=read.raw,
        )
