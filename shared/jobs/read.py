"""Reads jobs. Every statement is limited to what its viewer may see, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its tenant may see it."""

    id: UUID
    tenant: str
    requester: str | None
    report_type: str
    report_version: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    scopes: Sequence[str] | None
    """The scopes that its files ask for; None for none."""
    retry_of: UUID | None
    """The job that this one was asked for again."""
    scheduled_for: datetime | None
    """The moment before which it must not run; None if it was to run at once."""
    keep_artifacts_s: int
    """Seconds after its end for which its files are kept."""
    keep_s: int
    """Seconds after its end for which it is kept."""
    options: Mapping[str, Any] | None
    """What the client asked for beside (services/api/actions/options.py); None for nothing."""
    status: JobStatus
    version: int
    """Grows with every change that a client can see."""
    attempt: int
    max_attempts: int
    crashes: int
    lease_token: UUID | None
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    run_at: datetime
    deadline_at: datetime
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    """The end of the time in which the files can be downloaded; None before SUCCESS."""
    files_left_s: float | None
    """Time until `expires_at`, by the database's clock; 0 or less when the files have expired."""
    kept_until: datetime | None
    """The time from which the job may be forgotten; None before its end."""

    @property
    def expired(self) -> bool:
        """True when the job had files and their time is over."""
        return self.files_left_s is not None and self.files_left_s <= 0


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some of a tenant's jobs, newest first."""

    jobs: Sequence[Job]
    next_before: UUID | None
    """Where the next page begins; None after the last one."""


_EXPIRES = "CASE status WHEN 'SUCCESS' THEN finished_at + make_interval(secs => keep_artifacts_s) END"
_COLUMNS = f"""id, tenant, requester, report_type, report_version, parameters, formats, scopes, retry_of,
           scheduled_for, keep_artifacts_s, keep_s, options, status, version, attempt, max_attempts, crashes,
           lease_token, progress, result, error, run_at, deadline_at, created_at, updated_at, started_at,
           cancel_requested_at, finished_at, {_EXPIRES} AS expires_at,
           extract(epoch FROM {_EXPIRES} - clock_timestamp())::float8 AS files_left_s,
           finished_at + make_interval(secs => keep_s) AS kept_until"""

_GET = text(f"""
    /* jobs.get */
    SELECT {_COLUMNS}
      FROM jobs
     WHERE id = :id AND {VISIBLE}
""")

# Each by the primary key, as in shared/jobs/watch.py, whatever the statistics say.
_OF_IDS = text(f"""
    /* jobs.of_ids */
    SELECT found.* FROM unnest(CAST(:ids AS uuid[])) AS asked(id),
           LATERAL (SELECT {_COLUMNS} FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS found
""")

# Newest first. Ids are in order of creation, so the last id of a page is where the next one begins. The inner LIMIT
# bounds what a filter that matches little may look at: no index can serve a state that every transition changes.
# A range of (tenant, id), and not `tenant = … AND id < …`: for a tenant with a large share of the jobs PostgreSQL would
# walk the primary key, and meet everybody else's jobs first (seconds for a tenant that was silent for a while). And
# never `:before IS NULL OR …`: a plan made for any parameters could not use the index for it.
_OF_TENANT = f"""FROM jobs WHERE (tenant, id) < (:tenant, :before)
                                AND (tenant, id) > (:tenant, CAST('{UUID(int=0)}' AS uuid))"""
_BY_TENANT = "ORDER BY tenant DESC, id DESC"
_OF_REQUESTER = f"""FROM jobs WHERE requester IS NOT NULL AND (tenant, requester, id) < (:tenant, :requester, :before)
                                AND (tenant, requester, id) > (:tenant, :requester, CAST('{UUID(int=0)}' AS uuid))"""
_BY_REQUESTER = "ORDER BY tenant DESC, requester DESC, id DESC"

# A job may hold a quarter of a megabyte, and a page a hundred jobs. `start` is what stands before a row; the first row
# that begins beyond the bound comes too, and says that there are more.
_SIZE = " + ".join(f"coalesce(octet_length({c}::text), 0)" for c in ("parameters", "result", "error", "progress"))
_LISTED = """
    /* {name} */
    SELECT {columns}, coalesce(start, 0) < :bytes AS fits
      FROM (SELECT *, sum(size) OVER ({order} {rows} 1 PRECEDING) AS start,
                   sum(size) OVER ({order} {rows} 2 PRECEDING) AS earlier
              FROM (SELECT *, {size} AS size
                      FROM (SELECT * {of} {order} LIMIT :look) AS looked_at
                     WHERE (CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
                       AND (CAST(:report_type AS text) IS NULL OR report_type = :report_type)
                       AND report_type <> ALL (CAST(:hidden AS text[]))
                     {order}
                     LIMIT :limit) AS found) AS measured
     WHERE coalesce(earlier, 0) < :bytes
     {order}
"""

_END = """
    /* {name}_end */
    SELECT id {of} {order} OFFSET :look - 1 LIMIT 1
"""


def _statement(template: str, name: str, of: str, order: str) -> TextClause:
    rows = "ROWS BETWEEN UNBOUNDED PRECEDING AND"
    return text(template.format(name=name, columns=_COLUMNS, size=_SIZE, of=of, order=order, rows=rows))


_LIST = _statement(_LISTED, "jobs.list", _OF_TENANT, _BY_TENANT)
_LIST_END = _statement(_END, "jobs.list", _OF_TENANT, _BY_TENANT)
_LIST_OWN = _statement(_LISTED, "jobs.list_own", _OF_REQUESTER, _BY_REQUESTER)
_LIST_OWN_END = _statement(_END, "jobs.list_own", _OF_REQUESTER, _BY_REQUESTER)

_NEWEST = UUID(int=2**128 - 1)
_LOOK = 2_000
"""Most jobs that one page of a filtered list looks at: some milliseconds."""
_MOST_BYTES = 1_000_000
"""Parameters, results and errors on one page, and one job more: what an answer may take of the API's memory."""


def get(conn: Connection, job_id: UUID, viewer: Viewer) -> Job | None:
    """The job, or None if the viewer sees none with that id."""
    row = conn.execute(_GET, {"id": job_id, **viewer.where}).one_or_none()
    return None if row is None else _job(row)


def of_ids(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Job]:
    """Those of the jobs that exist.

    Nothing here is limited to a viewer: the caller shows a job only to those who have seen it through theirs before.
    """
    return {row.id: _job(row) for row in conn.execute(_OF_IDS, {"ids": list(ids)})}


def list_jobs(
    conn: Connection,
    viewer: Viewer,
    *,
    size: int,
    before: UUID | None = None,
    statuses: Sequence[JobStatus] | None = None,
    report_type: str | None = None,
) -> JobPage:
    """The next `size` of the jobs that the viewer sees, newest first, behind the page that ends with `before`.

    A page holds a bounded number of bytes, and a filter looks at a bounded number of jobs: so a page may be short,
    even empty, while `next_before` says go on.
    """
    page, page_end = (_LIST, _LIST_END) if viewer.requester is None else (_LIST_OWN, _LIST_OWN_END)
    where = {"tenant": viewer.tenant, "before": before or _NEWEST}
    if viewer.requester is not None:
        where["requester"] = viewer.requester
    filters = {"statuses": None if statuses is None else [str(s) for s in statuses], "report_type": report_type}
    filtered = bool(viewer.hidden) or any(value is not None for value in filters.values())
    look = _LOOK if filtered else size + 1
    bounds = {"limit": size + 1, "look": look, "bytes": _MOST_BYTES}
    rows = conn.execute(page, {**where, **filters, **bounds, "hidden": list(viewer.hidden)}).all()
    jobs = [_job(row) for row in rows[:size] if row.fits]
    if len(rows) > len(jobs):
        return JobPage(jobs, jobs[-1].id)
    end = conn.execute(page_end, {**where, "look": look}).scalar() if filtered else None
    # Jobs that were born between the two statements have moved the end up: what was returned stays behind it.
    return JobPage(jobs, min([end, *(job.id for job in jobs)]) if end else None)


def _job(row: Any) -> Job:
    fields = row._asdict()
    fields.pop("fits", None)
    return Job(**{**fields, "status": JobStatus(fields["status"])})
