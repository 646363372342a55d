"""Requests about identity: keys, the caller, and the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from todoke._core.config import Config
from todoke._core.jobs import key_header
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, segment, send
from todoke._core.steps import Flow
from todoke.keys_and_audit import AuditPage, Key, KeysPage, MadeKey, Me

Moment = datetime | str


def me(config: Config) -> Flow[Me]:
    """Return the caller's identity."""
    return Me.from_json(content_of((yield from send(config, Request("GET", "/v1/me")))))


def list_keys(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[KeysPage]:
    """One page of keys."""
    query = {"pageSize": page_size, "pageToken": page_token}
    return KeysPage.from_json(content_of((yield from send(config, Request("GET", "/v1/keys", query=query)))))


def get_key(config: Config, key_id: str) -> Flow[Key]:
    """One key."""
    return Key.from_json(content_of((yield from send(config, Request("GET", _path(key_id))))))


def create_key(
    config: Config, name: str, scopes: Sequence[str], *, expires_at: Moment | None, idempotency_key: str | None
) -> Flow[MadeKey]:
    """Create a key."""
    body = _given(name=name, scopes=list(scopes), expiresAt=expires_at)
    return MadeKey.from_json((yield from _post(config, "/v1/keys", body, idempotency_key)))


def rotate_key(
    config: Config, key_id: str, *, overlap_seconds: int | None, expires_at: Moment | None, idempotency_key: str | None
) -> Flow[MadeKey]:
    """Create a successor to a key."""
    body = _given(overlapSeconds=overlap_seconds, expiresAt=expires_at)
    return MadeKey.from_json((yield from _post(config, _path(key_id, ":rotate"), body, idempotency_key)))


def revoke_key(config: Config, key_id: str) -> Flow[None]:
    """Revoke a key."""
    yield from send(config, Request("DELETE", _path(key_id), fine=frozenset({204})))


def audit(
    config: Config, given: Mapping[str, Any], *, page_size: int | None, page_token: str | None
) -> Flow[AuditPage]:
    """One page of the audit trail."""
    named = {name: v.isoformat() if isinstance(v, datetime) else v for name, v in given.items()}
    query = {**named, "pageSize": page_size, "pageToken": page_token}
    return AuditPage.from_json(content_of((yield from send(config, Request("GET", "/v1/audit", query=query)))))


def iterate_audit(config: Config, given: Mapping[str, Any], *, page_size: int | None) -> Flow[None]:
    """Emit every entry of the audit trail, page by page."""
    yield from every(
        lambda token: audit(config, given, page_size=page_size, page_token=token), lambda page: page.entries
    )


def _post(config: Config, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Flow[Any]:
    request = Request("POST", path, body=body, headers=key_header(idempotency_key), fine=frozenset({201}))
    return content_of((yield from send(config, request)))


def _path(key_id: str, rest: str = "") -> str:
    return f"/v1/keys/{segment(key_id, 'key')}{rest}"


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
