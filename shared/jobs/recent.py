"""The newest jobs of several tenants, and the current state of some others, with one statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection


class Recent(NamedTuple):
    """A job, as a list of changes shows it."""

    id: UUID
    tenant: str
    requester: str | None
    report_type: str
    status: str
    version: int
    attempt: int
    progress: Mapping[str, Any] | None
    error_code: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    newest: bool
    """True if it is one of the tenant's newest."""

    @property
    def finished(self) -> bool:
        """True if it will not change any more."""
        return self.finished_at is not None


_COLUMNS = """id, tenant, requester, report_type, status, version, attempt, progress, error ->> 'code' AS error_code,
           created_at, updated_at, finished_at"""

# The tenants' newest by their index, each bounded; the others by the primary key, whatever the statistics.
_LOOK = text(f"""
    /* jobs.recent */
    SELECT newest.*, true AS newest
      FROM unnest(CAST(:tenants AS text[])) AS asked(tenant),
           LATERAL (SELECT {_COLUMNS} FROM jobs
                     WHERE (jobs.tenant, jobs.id) >= (asked.tenant, CAST('{UUID(int=0)}' AS uuid))
                       AND (jobs.tenant, jobs.id) <= (asked.tenant, CAST('{UUID(int=2**128 - 1)}' AS uuid))
                     ORDER BY jobs.tenant DESC, jobs.id DESC LIMIT :most) AS newest
     UNION ALL
    SELECT known.*, false AS newest
      FROM unnest(CAST(:ids AS uuid[])) AS asked(id),
           LATERAL (SELECT {_COLUMNS} FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS known
""")


def look(conn: Connection, tenants: Sequence[str], ids: Sequence[UUID], most: int) -> Mapping[str, list[Recent]]:
    """Return the `most` newest jobs of each tenant, newest first, then those of `ids`; each once, by tenant.

    No viewer limits this: the caller shows a job only to those who may see it.
    """
    found: dict[str, dict[UUID, Recent]] = {}
    for row in conn.execute(_LOOK, {"tenants": list(tenants), "ids": list(ids), "most": most}):
        found.setdefault(row.tenant, {}).setdefault(row.id, Recent(*row))
    return {tenant: list(rows.values()) for tenant, rows in found.items()}
