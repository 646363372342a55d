"""What is paused and capped, as values."""

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
    """When it ends by itself; None: when somebody ends it."""
    ended_at: datetime | None
    """When it was ended: jobs get back the time that they stood still, and start then."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Read it. Raises UnexpectedAnswer."""
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
    """How many jobs of a tenant, of a report type or on a source may run at the same time."""

    most_running: int
    running: int
    """How many run now."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        return cls(most_running=read.integer("mostRunning"), running=read.integer("running"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class QueueCap:
    """How many jobs of a tenant may be unfinished: waiting and running."""

    most_unfinished: int
    unfinished: int | None
    """How many are; None in a list."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        unfinished = read.maybe_integer("unfinished")
        return cls(most_unfinished=read.integer("mostUnfinished"), unfinished=unfinished, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Gate:
    """What holds for one tenant, report type or source."""

    kind: str
    """`tenant`, `report_type` or `source`."""
    name: str
    pause: Pause | None
    cap: Cap | None
    queue_cap: QueueCap | None
    etag: str
    """For `if_match`: a change of what somebody else has changed meanwhile is refused."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
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
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "the gates")
        return cls(gates=tuple(Gate.from_json(one.raw) for one in read.each("gates")), raw=read.raw)
