"""Schedules of the catalog's files in the database: which there are, and of which file each is."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.schedules.schedule import Schedule
from shared.schedules.store import COLUMNS, schedule_of

# Whoever else takes the files waits, and finds what this one has made.
_LOCK = text("/* schedules.lock_files */ SELECT pg_advisory_xact_lock(hashtextextended('todoke schedule files', 0))")
_HOLD = text(f"""
    /* schedules.of_files */
    SELECT {COLUMNS}, s.file_digest FROM schedules s WHERE s.file IS NOT NULL ORDER BY s.id FOR UPDATE OF s
""")
_THERE = text("""
    /* schedules.files_there */
    SELECT file, tenant, file_digest AS digest, stop_reason = 'owner_gone' AS ownerless
      FROM schedules WHERE file IS NOT NULL
""")
_MARK = text("/* schedules.mark_file */ UPDATE schedules SET file = :file, file_digest = :digest WHERE id = :id")


class Known(NamedTuple):
    """A schedule of a file."""

    schedule: Schedule
    digest: str
    """Of the file, as it was when the schedule was written."""


class There(NamedTuple):
    """What tells whether there is anything to do about a file."""

    file: str
    tenant: str
    digest: str
    ownerless: bool | None
    """True if its schedule stopped because its owner's key is gone."""


def there(conn: Connection) -> Sequence[There]:
    """The files of which there is a schedule. Writes nothing, and waits for nobody."""
    return [There(*row) for row in conn.execute(_THERE)]


def hold(conn: Connection) -> Sequence[Known]:
    """Every schedule of a file. None of them changes until the transaction ends, and no other is made."""
    conn.execute(_LOCK)
    return [Known(schedule_of(row), row.file_digest) for row in conn.execute(_HOLD)]


def mark(conn: Connection, schedule_id: UUID, file: str, digest: str) -> None:
    """Say of which file it is."""
    conn.execute(_MARK, {"id": schedule_id, "file": file, "digest": digest})
