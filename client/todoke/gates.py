"""Pauses and caps, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of a tenant, a report type or a source."""

    reason: str
    by: str
    began_at: datetime | None
    until: datetime | None
    """When it ends; None if it lasts until it is resumed."""
    ended_at: datetime | None
    """When it was ended. Jobs then get back the time that they stood still, and start."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            reason=read.some_text("reason"),
            by=read.some_text("by"),
            began_at=read.time("beganAt"),
            until=read.time("until"),
            ended_at=read.time("endedAt"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """The limit on the jobs of a tenant, of a report type or on a source that may run at the same time."""

    most_running: int
    running: int
    """How many are running now."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(most_running=read.integer("mostRunning"), running=read.integer("running"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class QueueCap:
    """The limit on a tenant's unfinished jobs, waiting and running."""

    most_unfinished: int
    unfinished: int | None
    """How many there are now; None in a list."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        unfinished = read.maybe_integer("unfinished")
        return cls(most_unfinished=read.integer("mostUnfinished"), unfinished=unfinished, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Gate:
    """The pause and the caps of one tenant, report type or source."""

    kind: str
    """`tenant`, `report_type` or `source`."""
    name: str
    pause: Pause | None
    cap: Cap | None
    queue_cap: QueueCap | None
    etag: str
    """For `if_match`, which refuses a change if somebody else has changed the gate meanwhile."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a gate")
        pause, cap, queue_cap = read.inner("pause"), read.inner("cap"), read.inner("queueCap")
        return cls(
            kind=read.text("kind"),
            name=read.text("name"),
            pause=None if pause is None else Pause.read(pause),
            cap=None if cap is None else Cap.read(cap),
            queue_cap=None if queue_cap is None else QueueCap.read(queue_cap),
            etag=read.some_text("etag"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Gates:
    """Everything that is paused or capped."""

    gates: Sequence[Gate]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "the gates")
        return cls(gates=tuple(Gate.from_json(one.raw) for one in read.each("gates")), raw=read.raw)
