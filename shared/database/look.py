"""What an operator should know about the database, read in one go."""

from dataclasses import dataclass
from time import time

from sqlalchemy import text
from sqlalchemy.engine import Engine

_FACTS = text("""
    /* database.facts */
    SELECT current_setting('server_version_num')::int AS version_number,
           current_setting('server_version') AS version,
           pg_encoding_to_char(encoding) AS encoding,
           current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS survives_crashes,
           current_setting('synchronous_commit') <> 'off' AS commits_are_kept,
           current_user::text AS role,
           (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('jobs')) AS is_owner,
           to_regclass('alembic_version') IS NOT NULL AS is_migrated,
           has_table_privilege(to_regclass('alembic_version'), 'SELECT') AS may_see_revision,
           extract(epoch FROM clock_timestamp())::float8 AS now
      FROM pg_database WHERE datname = current_database()
""")
_REVISION = text("/* database.revision */ SELECT version_num FROM alembic_version")


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """One database, as one session sees it."""

    version_number: int
    """150004 is 15.4."""
    version: str
    encoding: str
    survives_crashes: bool
    """False if a crash of its machine may lose or tear committed data: fsync or full_page_writes is off."""
    commits_are_kept: bool
    """False if this session's commits return before they are on disk."""
    role: str
    is_owner: bool | None
    """True if the role has all rights of the tables' owner; None without tables."""
    is_migrated: bool
    revision: str | None
    """The revision of the schema; None if there is none, or the role may not see it."""
    ahead_s: float
    """By how many seconds its clock is ahead of this machine's, give or take half of the round trip."""


def look_at(engine: Engine) -> DatabaseFacts:
    """Return the facts. Raises SQLAlchemy's errors."""
    with engine.connect() as conn:
        conn.execute(_FACTS)  # the first statement connects, so its time proves nothing
        before = time()
        row = conn.execute(_FACTS).one()._asdict()
        middle = (before + time()) / 2
        revision = conn.execute(_REVISION).scalar() if row.pop("may_see_revision") else None
    now = row.pop("now")
    return DatabaseFacts(**row, revision=revision, ahead_s=now - middle)
