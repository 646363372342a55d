"""Notices commits that a synchronous standby did not confirm."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from shared.database.unavailable import DatabaseUnavailable

_UNCONFIRMED = "commit_unconfirmed"


def watch_replication(engine: Engine) -> None:
    """Make `raise_if_unconfirmed` work on the connections of `engine`.

    When the wait for the standby is cancelled, COMMIT succeeds with only a WARNING (PostgreSQL 18, "Synchronous
    Replication", read 2026-11-23): an answer of 202 would then promise more than is true.
    """

    @event.listens_for(engine, "connect")
    def _listen(connection: Any, record: Any) -> None:
        def notice(diagnostic: Any) -> None:
            if "synchronous replication" in (diagnostic.message_primary or ""):
                record.info[_UNCONFIRMED] = True

        connection.add_notice_handler(notice)


def raise_if_unconfirmed(conn: Connection) -> None:
    """Raise DatabaseUnavailable if the last commit on this connection may be lost in a fail-over."""
    if conn.info.pop(_UNCONFIRMED, False):
        raise DatabaseUnavailable("the commit was not confirmed by the synchronous standby")
