"""`Todoke.keys` and `Todoke.audit`: who may do what, and who did."""

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
        """Make a key with some of your own scopes. Its secret is told once: `secret`."""
        return self._run(
            access.create_key(self._config, name, scopes, expires_at=expires_at, idempotency_key=idempotency_key)
        )

    def get(self, key_id: str) -> Key:
        """One key, without its secret."""
        return self._run(access.get_key(self._config, key_id))

    def list(self, *, page_size: int | None = None, page_token: str | None = None) -> KeysPage:
        """One page of keys, newest first, revoked ones too."""
        return self._run(access.list_keys(self._config, page_size=page_size, page_token=page_token))

    def rotate(
        self,
        key_id: str,
        *,
        overlap_seconds: int | None = None,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key that follows this one, which works on for a while: a day, or `overlap_seconds`."""
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
        """End a key. Once more is harmless."""
        return self._run(access.revoke_key(self._config, key_id))


class Audit:
    """The audit trail: every change that somebody of the tenant has made."""

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
        """One page of it, newest first; `iter` goes through all of them.

        A page may be short, even empty, although more follow.
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
        """Every entry of it, newest first, page by page as they are used."""
        given = {"action": action, "subject": subject, "object": object, "since": since, "until": until}
        return self._iterate(access.iterate_audit(self._config, given, page_size=page_size))
