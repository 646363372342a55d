"""Tells how many jobs have come since: for a list that says so instead of moving under its reader's hand."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.filters import MATCHES, JobFilter
from shared.jobs.listing import LOOK
from shared.jobs.viewer import VISIBLE, Viewer

MOST = 101
"""What is counted: `100` is a number, and one more says that there are more."""

# A range of the whole key, as in shared/jobs/listing.py. From the oldest on, so that the bound cuts off the newest.
_NEWER = text(f"""
    /* jobs.newer */
    SELECT 1
      FROM (SELECT * FROM jobs WHERE (tenant, id) >= (:tenant, :than) AND (tenant, id) <= (:tenant, :newest)
               AND id NOT IN (:than, :newest)
             ORDER BY tenant, id LIMIT :look) AS looked_at
     WHERE {VISIBLE} AND deleted_at IS NULL
       AND {MATCHES}
     LIMIT :most
""")


def newer(conn: Connection, viewer: Viewer, *, than: UUID, wanted: JobFilter) -> int:
    """How many of the wanted jobs that the viewer sees are newer than the job `than`: at most MOST, which says more."""
    seer = wanted.within(viewer)
    if seer is None or wanted.bulk is not None:  # a bulk action meets no job that comes later
        return 0
    _, newest = wanted.between
    bounds = {"than": than, "newest": newest, "look": LOOK, "most": MOST}
    return len(conn.execute(_NEWER, {**seer.where, **wanted.where, **bounds}).all())
