"""Reads many jobs and their files with one statement, each job for a viewer of its own."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.artifacts import Artifact
from shared.jobs.read import COLUMNS, Job, job_of
from shared.jobs.viewer import ASKED, SEEN_BY_ASKER, Viewer, asked_about


class SeenJob(NamedTuple):
    """A job and its files at the same moment."""

    job: Job
    artifacts: Sequence[Artifact]
    """By name; none for a job that did not succeed, or whose files have expired."""


# Each by the primary key, as in shared/jobs/watch.py. The files are those that `artifacts.artifacts_of` finds.
_SEEN = text(f"""
    /* jobs.seen */
    SELECT job.*, asked.place, files.files
      FROM {ASKED},
           LATERAL (SELECT {COLUMNS} FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS job,
           LATERAL (SELECT jsonb_agg(jsonb_build_array(name, format, media_type, size_bytes, sha256, rows)
                                     ORDER BY name) AS files
                      FROM artifacts AS a
                     WHERE a.job_id = job.id AND a.lease_token = job.lease_token
                       AND job.status = 'SUCCESS' AND job.files_left_s > 0) AS files
     WHERE {SEEN_BY_ASKER}
""")


def seen(conn: Connection, asked: Sequence[tuple[UUID, Viewer]]) -> Sequence[SeenJob | None]:
    """Return each job as its viewer may see it; None if it sees none with that id.

    The scopes of files are not checked here: the caller shows the files to those who have them.
    """
    found: list[SeenJob | None] = [None] * len(asked)
    for row in conn.execute(_SEEN, {"asked": asked_about(asked)}):
        found[row.place] = SeenJob(job_of(row), [Artifact(*file) for file in row.files or ()])
    return found
