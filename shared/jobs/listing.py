"""Lists jobs, newest first. Every statement is limited to what its viewer may see, in SQL.

Ids are in order of creation, so the last id of a page is where the next one begins. A list walks the narrowest order
that contains its filter's jobs: all jobs of the tenant or of a requester, those that failed, those that have not ended,
those with a label, those that repeat a job. It examines a bounded number of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection

from shared.jobs.filters import MATCHES, NEWEST, JobFilter
from shared.jobs.passwords import IS_ENCRYPTED
from shared.jobs.read import COLUMNS, Job, job_of
from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some of the jobs that the viewer may see, newest first."""

    jobs: Sequence[Job]
    next_before: UUID | None
    """Where the next page begins; None after the last one."""


# A job may hold a quarter of a megabyte, and a page a hundred jobs. `start` is the size of what precedes a row; the
# first row that begins beyond the bound is included, and shows that there are more. The inner LIMIT bounds how many
# jobs a filter with few matches may examine.
_SIZE = " + ".join(f"coalesce(octet_length({c}::text), 0)" for c in ("parameters", "result", "error", "progress"))
_ROWS = "ROWS BETWEEN UNBOUNDED PRECEDING AND"
_LISTED = f"""
    /* {{name}} */
    SELECT {COLUMNS}, coalesce(start, 0) < :bytes AS fits
      FROM (SELECT *, sum(size) OVER ({{order}} {_ROWS} 1 PRECEDING) AS start,
                   sum(size) OVER ({{order}} {_ROWS} 2 PRECEDING) AS earlier
              FROM (SELECT *, {_SIZE} AS size
                      FROM ({{looked_at}}) AS looked_at
                     WHERE {VISIBLE} AND deleted_at IS NULL
                       AND {MATCHES}
                     {{order}}
                     LIMIT :limit) AS found) AS measured
     WHERE coalesce(earlier, 0) < :bytes
     {{order}}
"""


# One statement, and so one snapshot: the selected jobs determine where the walk continues, and no job between two
# slices is missed. It reads only columns needed to select a job: the relay may read no others. A job that is gone has
# left its place.
_PICKED = f"""
    /* {{name}}_pick */
    WITH looked_at AS MATERIALIZED ({{looked_at}}), found AS (
        SELECT id, status, report_type, formats, cancel_requested_at, {IS_ENCRYPTED} AS encrypted FROM looked_at
         WHERE {VISIBLE} AND deleted_at IS NULL AND created_at <= CAST(:until AS timestamptz)
           AND {MATCHES}
         ORDER BY place DESC
         LIMIT :limit
    )
    SELECT ends.upto, ends.seen, found.*
      FROM (SELECT (SELECT place FROM looked_at ORDER BY place LIMIT 1) AS upto,
                   (SELECT count(*) FROM looked_at) AS seen) AS ends
      LEFT JOIN found ON true
     ORDER BY found.id DESC
"""
_PICKING = """id, tenant, requester, report_type, formats, labels, retry_of, schedule_id, status, error, created_at,
               started_at, finished_at, deleted_at, cancel_requested_at, options"""


class _Walk(NamedTuple):
    """An order of jobs, and the statements that walk it."""

    page: TextClause
    end: TextClause
    """The last id of what `page` may examine; no row if it examined everything."""
    pick: TextClause
    """The next jobs of a bulk action, and where it has looked."""


def _range(table: str, *key: str, where: str = "true", last: str = "job_id") -> tuple[str, str]:
    """Return FROM and ORDER BY for a part of an index, newest first.

    The index has the columns `key`, then the job's id. It is a range of the whole key, and not `tenant = … AND id < …`:
    for a tenant with a large share of the jobs PostgreSQL would walk the primary key, and meet all other jobs first
    (seconds for a tenant that was silent for a while). And never `:before IS NULL OR …`: a generic plan could not use
    the index for it.

    Both ends belong to the range, and its last job is excluded separately: PostgreSQL estimates the size of such a
    range from its first column alone, so `(tenant, id) < ('acme', …)` from the tenants before acme. If there are few of
    these, it would read all jobs and sort them.
    """
    columns = [each.partition("=")[0] for each in key]
    names = ", ".join((*columns, last))
    values = ", ".join(f":{each.rpartition('=')[2]}" for each in key)
    of = f"FROM {table} WHERE {where} AND ({names}) <= ({values}, :before) AND ({names}) >= ({values}, :oldest)"
    of = f"{of} AND {last} <> :before"
    return of, "ORDER BY " + ", ".join(f"{each} DESC" for each in (*columns, last))


def _walk(name: str, looked_at: str, order: str, end: str, picked: str) -> _Walk:
    page = _LISTED.format(name=name, looked_at=looked_at, order=order)
    pick = _PICKED.format(name=name, looked_at=picked)
    return _Walk(text(page), text(f"/* {name}_end */ {end} OFFSET :look - 1 LIMIT 1"), text(pick))


def _by_tenant(name: str) -> _Walk:
    of, order = _range("jobs", "tenant", last="id")
    picked = f"SELECT {_PICKING}, id AS place {of} {order} LIMIT :look"
    return _walk(name, f"SELECT * {of} {order} LIMIT :look", order, f"SELECT id {of} {order}", picked)


def _by_ids(name: str, ids: str) -> _Walk:
    """Walk the jobs whose ids a statement returns, newest first. An index alone answers it, whatever the statistics."""
    looked_at = f"""
        SELECT job.*, walked.job_id
          FROM (SELECT job_id FROM ({ids} LIMIT :look) AS ids ORDER BY job_id DESC) AS walked,
               LATERAL (SELECT * FROM jobs WHERE id = walked.job_id OFFSET 0) AS job"""
    picked = f"""
        SELECT job.*, walked.job_id AS place
          FROM (SELECT job_id FROM ({ids} LIMIT :look) AS ids ORDER BY job_id DESC) AS walked
          LEFT JOIN LATERAL (SELECT {_PICKING} FROM jobs WHERE id = walked.job_id OFFSET 0) AS job ON true"""
    return _walk(name, looked_at, "ORDER BY job_id DESC", ids, picked)


def _by(name: str, table: str, *key: str, where: str = "true", last: str = "job_id") -> _Walk:
    of, order = _range(table, *key, where=where, last=last)
    return _by_ids(name, f"SELECT {last} AS job_id {of} {order}")


# Recent jobs by their ids, whether they have ended or not, and older unfinished ones (unfinished.py).
_YOUNG, _YOUNG_ORDER = _range("jobs", "tenant", last="id")
_OLD, _OLD_ORDER = _range("stragglers", "tenant", where="job_id <= (SELECT reached FROM unfinished_floor)")
_FAILED, _FAILED_ORDER = _range("failures", "tenant")
_UNFINISHED = f"""
        (SELECT id AS job_id {_YOUNG.replace(":oldest", "greatest(:oldest, (SELECT reached FROM unfinished_floor))")}
          {_YOUNG_ORDER} LIMIT :look)
         UNION (SELECT job_id {_OLD} {_OLD_ORDER} LIMIT :look)"""
_NOT_WELL = f"{_UNFINISHED} UNION (SELECT job_id {_FAILED} {_FAILED_ORDER} LIMIT :look)"
_NEWEST_FIRST = "SELECT job_id FROM ({}) AS known ORDER BY job_id DESC"

WALKS: Mapping[str, _Walk] = {
    "tenant": _by_tenant("jobs.list"),
    # Without keys there is no requester, and a job has no entry in the index.
    "requester": _by("jobs.list_own", "jobs", "tenant", "requester", where="requester IS NOT NULL", last="id"),
    "retry_of": _by("jobs.list_retries", "jobs", "tenant", "retry_of", where="retry_of IS NOT NULL", last="id"),
    "schedule": _by(
        "jobs.list_scheduled", "jobs", "tenant", "schedule_id=schedule", where="schedule_id IS NOT NULL", last="id"
    ),
    "label": _by("jobs.list_labelled", "job_labels", "tenant", "name=label_name", "value=label_value"),
    "failed": _by("jobs.list_failed", "failures", "tenant"),
    "failed_own": _by("jobs.list_failed_own", "failures", "tenant", "requester", where="requester IS NOT NULL"),
    "failed_with": _by("jobs.list_failed_with", "failures", "tenant", "code=error_code"),
    "unfinished": _by_ids("jobs.list_unfinished", _NEWEST_FIRST.format(_UNFINISHED)),
    "not_well": _by_ids("jobs.list_not_well", _NEWEST_FIRST.format(_NOT_WELL)),
    "bulk": _by("jobs.list_of_bulk", "bulk_results", "bulk_id"),
}
"""The available orders of jobs."""

LOOK = 2_000
"""How many jobs one page of a filtered list examines at most: some milliseconds."""
_MOST_BYTES = 1_000_000
"""Bytes of parameters, results and errors on one page, plus one job: how much of the API's memory an answer may
take."""
_UNENDED = {JobStatus.PENDING, JobStatus.PROCESSING}
_NOBODYS = JobFilter()


def list_jobs(
    conn: Connection, viewer: Viewer, *, size: int, before: UUID | None = None, wanted: JobFilter = _NOBODYS
) -> JobPage:
    """Return the next `size` of the wanted jobs that the viewer may see, newest first, after the page that ends with
    `before`.

    A page holds a bounded number of bytes, and a filter examines a bounded number of jobs, so a page may be short, even
    empty, although `next_before` is not None.
    """
    seer = wanted.within(viewer)
    if seer is None:
        return JobPage([], None)
    filtered = bool(seer.hidden) or wanted.narrows
    where = parameters(seer, wanted, look=LOOK if filtered else size + 1, before=before or NEWEST)
    walk = WALKS[order_for(seer, wanted)]
    rows = conn.execute(walk.page, {**where, "limit": size + 1, "bytes": _MOST_BYTES}).all()
    jobs = [job_of(row) for row in rows[:size] if row.fits]
    if len(rows) > len(jobs):
        return JobPage(jobs, jobs[-1].id)
    # Deleted jobs are left out, so even a page without filters may be short before the end.
    end = conn.execute(walk.end, where).scalar()
    # Jobs created between the two statements have moved the end up: the next page must still begin after what was
    # returned.
    return JobPage(jobs, min([end, *(job.id for job in jobs)]) if end else None)


def parameters(viewer: Viewer, wanted: JobFilter, *, look: int, before: UUID) -> dict[str, object]:
    """Return the parameters of every walk: at most `look` jobs, older than `before`."""
    oldest, newest = wanted.between
    name, value = next(iter(wanted.labels.items())) if wanted.labels else (None, None)
    bounds = {"before": min(before, newest), "oldest": oldest, "look": look}
    return {**viewer.where, **wanted.where, **bounds, "label_name": name, "label_value": value}


def order_for(viewer: Viewer, wanted: JobFilter) -> str:
    """Return the name of the narrowest order that contains all wanted jobs."""
    statuses = set(wanted.statuses or ())
    choices = {
        "bulk": wanted.bulk is not None,
        "retry_of": wanted.retry_of is not None,
        "schedule": wanted.schedule is not None,
        "failed_with": wanted.error_code is not None,
        "failed_own": statuses == {JobStatus.FAILED} and viewer.requester is not None,
        "failed": statuses == {JobStatus.FAILED},
        "label": bool(wanted.labels),
        "unfinished": bool(statuses) and statuses <= _UNENDED,
        "not_well": bool(statuses) and statuses <= {*_UNENDED, JobStatus.FAILED},
        "requester": viewer.requester is not None,
    }
    return next((name for name, fits in choices.items() if fits), "tenant")
