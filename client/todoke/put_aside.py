"""Messages that were put aside, as values: dead letters of the queue, and parked messages of the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue, as a relay has copied it."""

    message_id: str
    first_seen_at: datetime | None
    sent_at: datetime | None
    receives: int
    """The approximate number of deliveries before it was copied."""
    size_bytes: int
    why: str
    """Why a worker put it aside: `malformed`, `foreign`, `unknown`; empty if the queue service did."""
    job_id: str | None
    tenant: str | None
    body: str
    """The beginning of its body."""
    wish: str | None
    """The pending action of a relay: `redrive` or `drop`."""
    wished_at: datetime | None
    wished_by: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            message_id=read.text("messageId"),
            first_seen_at=read.time("firstSeenAt"),
            sent_at=read.time("sentAt"),
            receives=read.integer("receives"),
            size_bytes=read.integer("sizeBytes"),
            why=read.some_text("why"),
            job_id=read.maybe_text("jobId"),
            tenant=read.maybe_text("tenant"),
            body=read.some_text("body"),
            wish=read.maybe_text("wish"),
            wished_at=read.time("wishedAt"),
            wished_by=read.maybe_text("wishedBy"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class DeadLettersPage:
    """One page of dead letters, first seen first."""

    dead_letters: Sequence[DeadLetter]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of dead letters")
        return cls(
            dead_letters=tuple(DeadLetter.read(one) for one in read.each("deadLetters")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A message of the outbox that can never be sent as it is."""

    id: str
    topic: str
    tenant: str
    payload: str
    created_at: datetime | None
    parked_at: datetime | None
    attempts: int
    last_error: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            id=read.text("id"),
            topic=read.some_text("topic"),
            tenant=read.some_text("tenant"),
            payload=read.some_text("payload"),
            created_at=read.time("createdAt"),
            parked_at=read.time("parkedAt"),
            attempts=read.integer("attempts"),
            last_error=read.maybe_text("lastError"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class ParkedMessagesPage:
    """One page of parked messages, oldest first."""

    messages: Sequence[ParkedMessage]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of parked messages")
        return cls(
            messages=tuple(ParkedMessage.read(one) for one in read.each("messages")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class HandledMessages:
    """The messages that were handled, or would be."""

    ids: Sequence[str]
    missing: Sequence[str]
    """The given ids that do not exist, or are being handled already."""
    dry_run: bool
    more: bool
    """True if there are more messages than one request handles."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "what was done")
        return cls(
            ids=read.texts("ids"),
            missing=read.texts("missing"),
            dry_run=read.flag("dryRun"),
            more=read.flag("more"),
            raw=read.raw,
        )
