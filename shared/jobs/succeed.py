"""Ends attempts that made their report: `jobs.succeed` publishes their files and ends their jobs in one statement."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from shared.database.sqlstates import LOCK_NOT_AVAILABLE
from shared.jobs.artifacts import Artifact
from shared.jobs.attempt_end import IS_OWN, OWN, OWN_FREE, TOLD, Outcomes, lease_row, write
from shared.jobs.lease import Lease


class Success(NamedTuple):
    """An attempt that made its report."""

    lease: Lease
    artifacts: Sequence[Artifact]
    seconds: float
    """How long the attempt worked."""
    answer: Mapping[str, object] | None = None
    """The answer of a report type without files; None for one that makes files."""
    location: str | None = None
    """The URI of the folder that holds its files; it ends in a slash."""
    warnings: Sequence[Mapping[str, object]] = ()
    """What the readers of its files should know, as JSON objects with `code`, `message` and more."""
    cost: Mapping[str, float] | None = None
    """What it used; None for a report type without files."""
    figures: Mapping[str, float] = MappingProxyType({})
    """Named numbers of the report, for conditions on notifications."""
    phases: Mapping[str, float] = MappingProxyType({})
    """Seconds that each of its phases took, in order."""


# `done` ends each job whose lease is still current; `published` lists its files.
_SUCCEED = """
    /* jobs.succeed */
    WITH {own}, done AS (
        UPDATE jobs
           SET status = 'SUCCESS', verb = 'succeed', version = version + 1, result = own.result, error = NULL,
               progress = NULL, lease_until = NULL, finished_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM own
         WHERE {is_own}
        RETURNING jobs.id, own.token, jobs.status, own.artifacts
    ), published AS (
        INSERT INTO artifacts (job_id, lease_token, name, format, media_type, size_bytes, sha256, rows)
        SELECT done.id, done.token, a.*
          FROM done, jsonb_to_recordset(done.artifacts)
               AS a(name text, format text, media_type text, size_bytes bigint, sha256 text, rows bigint)
         WHERE done.artifacts IS NOT NULL
    )
    {told}
"""
_SUCCESSES = "id uuid, token uuid, result jsonb, artifacts jsonb"
_SUCCEED_FREE = text(
    _SUCCEED.format(own=OWN_FREE.format(columns=_SUCCESSES), is_own=IS_OWN, told=TOLD.format(written="done"))
)
# A separate lock costs each job 56 bytes of WAL (`python -m tests.benchmarks.wal`). Rows are hardly ever locked by
# others, so the usual statement takes no lock, and waits a moment if it meets a locked row.
_SUCCEED_SOON = text(
    _SUCCEED.format(
        own=OWN.format(columns=_SUCCESSES),
        is_own="""(SELECT set_config('lock_timeout', '200ms', true)) IS NOT NULL
           AND jobs.id = own.id AND jobs.id = ANY (ARRAY(SELECT id FROM own))
           AND jobs.status = 'PROCESSING' AND jobs.lease_token = own.token""",
        told=TOLD.format(written="done"),
    )
)


def succeed(conn: Connection, successes: Sequence[Success], *, some_locked: bool = False) -> Outcomes:
    """Publish each attempt's artifacts and end its job, if its lease is still the current one.

    `some_locked` says that others recently had rows of these jobs locked: then no time is spent on waiting for them.
    """
    rows = [_success_row(s) for s in successes]
    if not some_locked:
        try:
            return write(conn, _SUCCEED_SOON, rows)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
    return write(conn, _SUCCEED_FREE, rows)


def _success_row(success: Success) -> dict[str, Any]:
    files = [
        {
            "name": a.name,
            "format": a.format,
            "media_type": a.media_type,
            "size_bytes": a.size_bytes,
            "sha256": a.sha256,
            "rows": a.rows,
        }
        for a in success.artifacts
    ]
    result: dict[str, object] = {"seconds": round(success.seconds, 3)}
    if success.location is not None and files:
        # For people who read the table: clients are given links, which are checked and expire.
        result |= {"location": success.location, "uri": f"{success.location}{quote(success.artifacts[0].name)}"}
    if success.warnings:
        result["warnings"] = list(success.warnings)
    if success.cost is not None:
        result["cost"] = success.cost
    if success.figures:
        result["figures"] = dict(success.figures)
    if success.phases:
        result["phases"] = [[phase, round(seconds, 3)] for phase, seconds in success.phases.items()]
    if success.answer is not None:
        result["answer"] = success.answer
    return {**lease_row(success.lease), "result": result, "artifacts": files or None}
