"""Counts how many jobs have been added, for a list that says so instead of moving while it is read."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.filters import MATCHES, JobFilter
from shared.jobs.listing import LOOK
from shared.jobs.viewer import VISIBLE, Viewer

MOST = 101
"""The highest exact count: one more stands for any higher number."""

# A range of the whole key, as in shared/jobs/listing.py, from the oldest on, so that the bound cuts off the newest.
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
    """Return how many wanted jobs that the viewer may see are newer than the job `than`: up to MOST, and one more for
    any higher number.
    """
    seer = wanted.within(viewer)
    if seer is None or wanted.bulk is not None:  # a bulk action includes no job that comes later
        return 0
    _, newest = wanted.between
    bounds = {"than": than, "newest": newest, "look": LOOK, "most": MOST}
    return len(conn.execute(_NEWER, {**seer.where, **wanted.where, **bounds}).all())
