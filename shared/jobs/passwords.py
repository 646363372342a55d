"""The passwords of files that jobs will make: encrypted, and stored only while their job is unfinished.

A job with a password says so in its options. The trigger on the job's end deletes the password
(migrations/job_triggers.py), however the job ends, and so does the job's deletion.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.secret_keys import Sealed

ENCRYPTED = "encrypted"
"""The option, true, of a job whose files have a password."""
IS_ENCRYPTED = f"coalesce(options ? '{ENCRYPTED}', false)"
"""SQL for that option, on a row of jobs."""
SLICE = 100
"""Passwords that are re-encrypted in one transaction. A literal number, so that no plan reads all of them for it."""
BEGINNING = UUID(int=0)
"""Before every job."""

_READ = text("/* job_passwords.read */ SELECT key_id, sealed FROM job_passwords WHERE job_id = :job_id")
_BY_KEY = text("""
    /* job_passwords.by_key */
    SELECT key_id, count(*) AS passwords FROM job_passwords GROUP BY key_id ORDER BY key_id
""")
# A job that ends meanwhile is not waited for, and its row is then gone.
_OTHERS = text(f"""
    /* job_passwords.others */
    SELECT p.job_id, (SELECT tenant FROM jobs j WHERE j.id = p.job_id) AS tenant, p.key_id, p.sealed
      FROM job_passwords p
     WHERE p.job_id > :after AND p.key_id <> :newest
     ORDER BY p.job_id
     LIMIT {SLICE}
       FOR UPDATE OF p SKIP LOCKED
""")
_RESEAL = text("""
    /* job_passwords.reseal */
    UPDATE job_passwords SET key_id = :key_id, sealed = :sealed WHERE job_id = :job_id
""")


class PasswordRow(NamedTuple):
    """A password as it is stored."""

    job_id: UUID
    tenant: str
    sealed: Sealed


def owner_of_password(job_id: UUID) -> str:
    """Return what is sealed with the password, so that one job's password opens no other job's files."""
    return f"job:{job_id}"


def read(conn: Connection, job_id: UUID) -> Sealed | None:
    """Return the sealed password of a job; None once the job has ended or was deleted."""
    row = conn.execute(_READ, {"job_id": job_id}).one_or_none()
    return None if row is None else Sealed(row.key_id, bytes(row.sealed))


def by_key(conn: Connection) -> Mapping[str, int]:
    """Return how many passwords each key has sealed, by the key's name."""
    return {row.key_id: row.passwords for row in conn.execute(_BY_KEY)}


def of_other_keys(conn: Connection, newest: str, after: UUID = BEGINNING) -> Sequence[PasswordRow]:
    """Return the next `SLICE` passwords that a key other than `newest` has sealed, locked until the transaction ends.

    Rows locked by others are left out: a job that ends removes its own.
    """
    found = conn.execute(_OTHERS, {"after": after, "newest": newest})
    return [PasswordRow(row.job_id, row.tenant, Sealed(row.key_id, bytes(row.sealed))) for row in found]


def reseal(conn: Connection, row: PasswordRow, sealed: Sealed) -> None:
    """Replace the row's password with the same one, newly sealed."""
    conn.execute(_RESEAL, {"job_id": row.job_id, "key_id": sealed.key_id, "sealed": sealed.content})
