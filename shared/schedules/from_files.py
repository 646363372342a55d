"""Schedules of the catalog's files in the database: which file each belongs to, and when an API last had it.

Several versions of a catalog exist while a service is deployed or rolled back, and any of their APIs may restart at any
time. So none of them is right on its own: a version of a file is in force as long as an API has it.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.schedules.schedule import Schedule
from shared.schedules.store import COLUMNS, schedule_of

HELD_S = 180.0
"""How long a version that no API has stays in force: each API confirms once a minute what it has, and may miss two."""
_SAID_AGAIN_S = 30.0
"""Only one of any number of APIs confirms it in each minute."""

# Others that apply the files wait, and see what this one has made.
_LOCK = text("/* schedules.lock_files */ SELECT pg_advisory_xact_lock(hashtextextended('todoke schedule files', 0))")
_KNOWN = f"""
    SELECT {COLUMNS}, s.file_digest, extract(epoch FROM clock_timestamp() - s.file_seen_at)::float8 AS seen_ago_s
      FROM schedules s WHERE s.file IS NOT NULL ORDER BY s.id"""
_OF_FILES = text(f"/* schedules.of_files */ {_KNOWN}")
_HOLD = text(f"/* schedules.hold_of_files */ {_KNOWN} FOR UPDATE OF s")
_MARK = text("""
    /* schedules.mark_file */
    UPDATE schedules SET file = :file, file_digest = :digest, file_seen_at = clock_timestamp() WHERE id = :id
""")
# A row locked by others is confirmed at the next look.
_SEEN = text("""
    /* schedules.file_seen */
    UPDATE schedules SET file_seen_at = clock_timestamp()
     WHERE id = ANY (ARRAY(SELECT id FROM schedules WHERE id = ANY (:ids) FOR UPDATE SKIP LOCKED))
""")
_GONE = text(f"""
    /* schedules.file_gone */
    UPDATE schedules s
       SET next_tick = NULL, due_at = NULL, failing_since = NULL, failing_because = NULL,
           stopped_at = clock_timestamp(), stop_reason = 'file_gone',
           version = s.version + 1, updated_at = clock_timestamp()
     WHERE s.id = :id
    RETURNING {COLUMNS}
""")


class Known(NamedTuple):
    """A schedule from a file."""

    schedule: Schedule
    digest: str
    """The digest of the file when the schedule was written: the version in force."""
    seen_ago_s: float
    """Seconds since an API confirmed that it has this version, or a file of this name that it cannot read."""

    @property
    def at(self) -> tuple[str, str | None]:
        """Tenant and file, which identify the schedule."""
        return self.schedule.tenant, self.schedule.file

    @property
    def nobodys(self) -> bool:
        """True if no API has this version any more."""
        return self.seen_ago_s >= HELD_S

    @property
    def to_be_said_again(self) -> bool:
        """True if no API has confirmed this version lately."""
        return self.seen_ago_s >= _SAID_AGAIN_S


def known(conn: Connection) -> Sequence[Known]:
    """Return every schedule from a file. Writes nothing, and waits for no lock."""
    return [Known(schedule_of(row), row.file_digest, row.seen_ago_s) for row in conn.execute(_OF_FILES)]


def hold(conn: Connection) -> Sequence[Known]:
    """Return every schedule from a file.

    None of them can change until the transaction ends, and no other can be created.
    """
    conn.execute(_LOCK)
    return [Known(schedule_of(row), row.file_digest, row.seen_ago_s) for row in conn.execute(_HOLD)]


def mark(conn: Connection, schedule_id: UUID, file: str, digest: str) -> None:
    """Record which file it belongs to, and that an API has it."""
    conn.execute(_MARK, {"id": schedule_id, "file": file, "digest": digest})


def say_seen(conn: Connection, ids: Sequence[UUID]) -> None:
    """Confirm that an API has the versions of these schedules that are in force."""
    conn.execute(_SEEN, {"ids": list(ids)})


def stop(conn: Connection, schedule_id: UUID) -> Schedule:
    """Stop it, because no API has its file any more. Its history stays."""
    return schedule_of(conn.execute(_GONE, {"id": schedule_id}).one())
