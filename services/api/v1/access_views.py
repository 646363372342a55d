"""Views of keys, the caller's identity, and the audit trail."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from services.api.actions.keys import MadeKey
from services.api.v1.base_view import View
from shared.access.api_keys import ApiKey
from shared.access.audit_trail import Entry

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]


class KeyView(View):
    """An API key, without its secret."""

    key_id: str
    name: str
    """Who uses it: its jobs belong to this name."""
    scopes: list[str]
    created_at: _Time
    created_by: str | None
    replaces: str | None
    """The key that this one was created to follow."""
    expires_at: _Time | None
    last_used_at: _Time | None
    """Accurate to about a minute."""
    revoked_at: _Time | None


class MadeKeyView(KeyView):
    """A new API key. `key` is shown once."""

    key: str | None = Field(examples=["todoke_live_4fzyo82mvyr0_…"])
    """What to send as `Authorization: Bearer …`; null if the request is repeated."""
    secret_shown: bool
    """False if the request is repeated with its Idempotency-Key: the key was shown the first time."""


class RotatedKeyView(MadeKeyView):
    """A new API key, and the one that it follows."""

    old: KeyView
    """Works until its `expiresAt`."""


class KeysView(View):
    """One page of keys, newest first."""

    keys: list[KeyView]
    next_page_token: str | None


class MeView(View):
    """The identity of the caller."""

    tenant: str
    subject: str | None
    """Null where no identity is required."""
    credential: Literal["none", "key", "token"]
    key_id: str | None
    scopes: list[str] | None
    """Null, which allows everything, where no identity is required."""


class EntryView(View):
    """One change."""

    id: str
    at: _Time
    subject: str | None
    key_id: str | None
    request_id: str | None
    address: str | None
    action: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class TrailView(View):
    """One page of the audit trail, newest first."""

    entries: list[EntryView]
    next_page_token: str | None


def key_view(key: ApiKey) -> KeyView:
    """The view of a key."""
    return KeyView(**_key(key))


def made_view(made: MadeKey) -> MadeKeyView:
    """Return the view of a new key, with the one that it follows, if any."""
    fields = {**_key(made.key), "key": made.secret, "secret_shown": made.secret is not None}
    return MadeKeyView(**fields) if made.old is None else RotatedKeyView(**fields, old=key_view(made.old))


def _key(key: ApiKey) -> dict[str, Any]:
    fields = key._asdict()
    return {"key_id": fields.pop("id"), **fields, "scopes": list(key.scopes)}


def entry_view(entry: Entry) -> EntryView:
    """The view of one change."""
    return EntryView(**{**entry._asdict(), "id": str(entry.id)})
