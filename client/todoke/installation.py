"""The state of the whole installation, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that needs attention."""

    code: str
    severity: str
    """`page`, `ticket` or `info`."""
    message: str
    facts: Mapping[str, Any]
    since_s: float | None
    """How long it has lasted, in seconds; None if unknown."""

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            code=read.text("code"),
            severity=read.text("severity"),
            message=read.some_text("message"),
            facts=read.object("facts"),
            since_s=read.maybe_number("sinceS"),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement by a relay."""

    at: datetime | None
    age_s: float | None
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(at=read.time("at"), age_s=read.maybe_number("ageS"), facts=read.object("facts"))


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker, as it last reported."""

    name: str
    since: datetime | None
    seen_at: datetime | None
    gone: bool
    """True if it is dead or disconnected."""
    sick: str | None
    """Why it takes no jobs."""
    report_types: int
    """How many it knows."""
    slots: int
    holding: int

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            name=read.text("name"),
            since=read.time("since"),
            seen_at=read.time("seenAt"),
            gone=read.flag("gone"),
            sick=read.maybe_text("sick"),
            report_types=read.integer("reportTypes"),
            slots=read.integer("slots"),
            holding=read.integer("holding"),
        )


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """The jobs of one outcome that ended within one step of time. Steps without such jobs are left out."""

    begins: datetime | None
    outcome: str
    """`SUCCESS`, `FAILED` or `CANCELLED`."""
    jobs: int
    p50_s: float | None
    """Median seconds from request to end."""
    p95_s: float | None

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            begins=read.time("begins"),
            outcome=read.text("outcome"),
            jobs=read.integer("jobs"),
            p50_s=read.maybe_number("p50S"),
            p95_s=read.maybe_number("p95S"),
        )


@dataclass(frozen=True, slots=True)
class AcceptedJobs:
    """The jobs that were accepted within one step of time. Steps without such jobs are left out."""

    begins: datetime | None
    jobs: int

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(begins=read.time("begins"), jobs=read.integer("jobs"))


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """The ended jobs of one report type."""

    report_type: str
    jobs: int
    failed: int

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(report_type=read.text("reportType"), jobs=read.integer("jobs"), failed=read.integer("failed"))


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the whole installation. A part is None if reading it from the database took too long."""

    at: datetime | None
    period: str
    step_s: int
    """Seconds per step of the history."""
    conditions: Sequence[Condition]
    """What needs attention."""
    measured: Mapping[str, Measured] | None
    """By what was measured: `database`, `queue`, `dead_letters`, `store`."""
    workers: Sequence[SeenWorker] | None
    history: Sequence[EndedJobs] | None
    accepted: Sequence[AcceptedJobs] | None
    report_types: Sequence[TypeTotal] | None
    """Busiest first."""
    not_looked_at: Sequence[str]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "the overview")
        measured = read.maybe_object("measured")
        workers, history, came, types = map(read.maybe_each, ("workers", "history", "accepted", "reportTypes"))
        return cls(
            at=read.time("at"),
            period=read.some_text("period"),
            step_s=read.integer("stepS"),
            conditions=tuple(Condition.read(one) for one in read.each("conditions")),
            measured=None
            if measured is None
            else {name: Measured.read(Fields(one, f"what was measured of {name}")) for name, one in measured.items()},
            workers=None if workers is None else tuple(SeenWorker.read(one) for one in workers),
            history=None if history is None else tuple(EndedJobs.read(one) for one in history),
            accepted=None if came is None else tuple(AcceptedJobs.read(one) for one in came),
            report_types=None if types is None else tuple(TypeTotal.read(one) for one in types),
            not_looked_at=read.texts("notLookedAt"),
            raw=read.raw,
        )
