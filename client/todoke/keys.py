"""`Todoke.keys` and `Todoke.audit`: API keys, and the audit trail."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from todoke._core import access
from todoke._core.config import Config
from todoke._core.steps import Iterate, Run
from todoke.keys_and_audit import AuditEntry, AuditPage, Key, KeysPage, MadeKey


class Keys:
    """The tenant's API keys. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: Run) -> None:
        self._config = config
        self._run = run

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Create a key with some of your own scopes. Its `secret` is returned only once."""
        return self._run(
            access.create_key(self._config, name, scopes, expires_at=expires_at, idempotency_key=idempotency_key)
        )

    def get(self, key_id: str) -> Key:
        """Return one key, without its secret."""
        return self._run(access.get_key(self._config, key_id))

    def list(self, *, page_size: int | None = None, page_token: str | None = None) -> KeysPage:
        """Return one page of keys, newest first, including revoked ones."""
        return self._run(access.list_keys(self._config, page_size=page_size, page_token=page_token))

    def rotate(
        self,
        key_id: str,
        *,
        overlap_seconds: int | None = None,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Create a successor to a key. The old key works for another day, or for `overlap_seconds`."""
        return self._run(
            access.rotate_key(
                self._config,
                key_id,
                overlap_seconds=overlap_seconds,
                expires_at=expires_at,
                idempotency_key=idempotency_key,
            )
        )

    def revoke(self, key_id: str) -> None:
        """Revoke a key. Safe to repeat."""
        return self._run(access.revoke_key(self._config, key_id))


class Audit:
    """The audit trail: every change made by users of the tenant."""

    def __init__(self, config: Config, run: Run, iterate: Iterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    def list(
        self,
        *,
        action: str | None = None,
        subject: str | None = None,
        object: str | None = None,  # noqa: A002 - the API's word
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
    ) -> AuditPage:
        """Return one page of entries, newest first; `iter` yields them all.

        A page may be short, or even empty, although more pages follow.
        """
        given = {"action": action, "subject": subject, "object": object, "since": since, "until": until}
        return self._run(access.audit(self._config, given, page_size=page_size, page_token=page_token))

    def iter(
        self,
        *,
        action: str | None = None,
        subject: str | None = None,
        object: str | None = None,  # noqa: A002 - the API's word
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        page_size: int | None = None,
    ) -> Iterator[AuditEntry]:
        """Yield every entry, newest first, fetching pages as needed."""
        given = {"action": action, "subject": subject, "object": object, "since": since, "until": until}
        return self._iterate(access.iterate_audit(self._config, given, page_size=page_size))
