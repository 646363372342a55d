"""API keys, the caller's identity, and the audit trail, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Me:
    """The caller's identity."""

    tenant: str
    subject: str | None
    credential: str
    """`none`, `key` or `token`."""
    key_id: str | None
    scopes: Sequence[str] | None
    """None means all scopes, where the server requires no identity."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "who one is")
        return cls(
            tenant=read.text("tenant"),
            subject=read.maybe_text("subject"),
            credential=read.some_text("credential"),
            key_id=read.maybe_text("keyId"),
            scopes=None if read.raw.get("scopes") is None else read.texts("scopes"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, without its secret."""

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime | None
    created_by: str | None
    replaces: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a key")
        return cls(
            id=read.text("keyId"),
            name=read.some_text("name"),
            scopes=read.texts("scopes"),
            created_at=read.time("createdAt"),
            created_by=read.maybe_text("createdBy"),
            replaces=read.maybe_text("replaces"),
            expires_at=read.time("expiresAt"),
            last_used_at=read.time("lastUsedAt"),
            revoked_at=read.time("revokedAt"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new API key. Its secret is returned only once."""

    key: Key
    secret: str | None = field(repr=False)
    """The key to send; None for a repeated request: the first response had it."""
    secret_shown: bool
    old: Key | None
    """The key that this one replaces. It works until its `expires_at`."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a new key")
        old = read.maybe_object("old")
        return cls(
            key=Key.from_json(read.raw),
            secret=read.maybe_text("key"),
            secret_shown=read.flag("secretShown"),
            old=None if old is None else Key.from_json(old),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class KeysPage:
    """One page of keys, newest first."""

    keys: Sequence[Key]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of keys")
        return cls(
            keys=tuple(Key.from_json(one.raw) for one in read.each("keys")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change, and who made it."""

    id: str
    at: datetime | None
    subject: str | None
    key_id: str | None
    request_id: str | None
    address: str | None
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            id=read.text("id"),
            at=read.time("at"),
            subject=read.maybe_text("subject"),
            key_id=read.maybe_text("keyId"),
            request_id=read.maybe_text("requestId"),
            address=read.maybe_text("address"),
            action=read.some_text("action"),
            object=read.some_text("object"),
            before=read.maybe_object("before"),
            after=read.maybe_object("after"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit trail, newest first."""

    entries: Sequence[AuditEntry]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of the audit trail")
        return cls(
            entries=tuple(AuditEntry.read(one) for one in read.each("entries")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )
