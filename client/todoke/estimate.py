"""An estimate, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Expected:
    """The estimate of the source's query planner. It may be far off."""

    rows: int
    bytes: int
    cost: float
    """In the source's own units."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            rows=read.integer("rows"),
            bytes=read.integer("bytes"),
            cost=read.maybe_number("cost") or 0.0,
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Usual:
    """What the tenant's latest successful jobs took."""

    jobs: int
    """How many jobs this is based on."""
    p50_seconds: float
    """Median."""
    p95_seconds: float
    """95th percentile."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            jobs=read.integer("jobs"),
            p50_seconds=read.maybe_number("p50Seconds") or 0.0,
            p95_seconds=read.maybe_number("p95Seconds") or 0.0,
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that would go wrong, or why nothing can be estimated."""

    code: str
    message: str
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(code=read.text("code"), message=read.some_text("message"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate of a report."""

    report_type: str
    report_version: str
    formats: Sequence[str]
    expected: Expected | None
    """None if nothing is known."""
    usual: Usual | None
    warnings: Sequence[Caution]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "an estimate")
        expected, usual = read.inner("expected"), read.inner("usual")
        return cls(
            report_type=read.some_text("reportType"),
            report_version=read.some_text("reportVersion"),
            formats=read.texts("formats"),
            expected=Expected.read(expected) if expected else None,
            usual=Usual.read(usual) if usual else None,
            warnings=tuple(Caution.read(one) for one in read.each("warnings")),
            raw=read.raw,
        )
