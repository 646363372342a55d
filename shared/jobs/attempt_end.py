"""What all statements that end attempts share: the batch, the fence, and the answer for each lease."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs.lease import Lease
from shared.jobs.states import JobStatus

Outcomes = Mapping[UUID, JobStatus]
"""Lease token → the status that the job has now. An absent token had lost its lease: nothing was written for it.
PROCESSING means that nothing was written this time, because another transaction has locked the job's row. Try again."""

# `own` is the batch. `free` locks those of its rows that are not locked already, so that a row locked by another
# transaction affects no other job.
OWN = """own AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS own({columns})
    )"""
OWN_FREE = (
    OWN
    + """, free AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM own)) AND status = 'PROCESSING'
           FOR NO KEY UPDATE SKIP LOCKED
    )"""
)
IS_OWN = """jobs.id = own.id AND jobs.id = ANY (ARRAY(SELECT id FROM free))
           AND jobs.status = 'PROCESSING' AND jobs.lease_token = own.token"""
# What was written, and which of the remaining leases were current before this statement: the rows of those were
# locked.
TOLD = """SELECT own.token AS lease_token, coalesce({written}.status, seen.status) AS status
      FROM own
      LEFT JOIN {written} ON {written}.token = own.token
      LEFT JOIN LATERAL (
          SELECT status, lease_token, cancel_requested_at FROM jobs WHERE id = own.id AND {written}.token IS NULL
          OFFSET 0  -- or every job would be looked up
      ) AS seen ON true
     WHERE {written}.token IS NOT NULL OR seen.status = 'PROCESSING' AND seen.lease_token = own.token"""


def write(conn: Connection, statement: TextClause, rows: Sequence[Mapping[str, object]], **more: object) -> Outcomes:
    """End these attempts by `statement`. Returns what became of each lease."""
    ended = conn.execute(statement, {"outcomes": json_text.write(rows), **more})
    return {row.lease_token: JobStatus(row.status) for row in ended}


def lease_row(lease: Lease) -> dict[str, Any]:
    """Return the part of a batch's row that names the attempt."""
    return {"id": lease.job_id, "token": lease.token}
