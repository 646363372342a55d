"""Promise 8: the database refuses what the protocol does not allow, for every caller."""

import itertools
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

import migrations
from shared.jobs.states import LEGAL_EDGES, Edge, JobStatus, Verb
from tests.support.jobs import a_job, started

_FINAL_FIELDS = {
    JobStatus.PENDING: "lease_token = NULL, lease_until = NULL, attempt = 0",
    JobStatus.PROCESSING: "lease_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 min'",
    JobStatus.SUCCESS: "lease_until = NULL, result = '{}', finished_at = clock_timestamp()",
    JobStatus.FAILED: """lease_until = NULL, error = '{"code": "x"}', finished_at = clock_timestamp()""",
    JobStatus.CANCELLED: "lease_until = NULL, cancel_requested_at = clock_timestamp(), finished_at = clock_timestamp()",
}

UNFINISHED = [
    Edge(source, target, verb)
    for source, target, verb in itertools.product([JobStatus.PENDING, JobStatus.PROCESSING], JobStatus, Verb)
    if source is not target or source is JobStatus.PROCESSING
]


def _take(conn: Connection, edge: Edge) -> None:
    job_id = a_job(conn)
    if edge.source is JobStatus.PROCESSING:
        started(conn, job_id)
    # SUCCESS needs a token by a CHECK of its own; the edge is what is asked about here.
    token = ", lease_token = coalesce(lease_token, gen_random_uuid())" if edge.target is JobStatus.SUCCESS else ""
    conn.execute(
        text(f"""UPDATE jobs SET status = '{edge.target}', verb = '{edge.verb}', version = version + 1,
                 {_FINAL_FIELDS[edge.target]}{token} WHERE id = :id"""),
        {"id": job_id},
    )


@pytest.mark.parametrize("edge", UNFINISHED, ids=lambda e: f"{e.source}-{e.verb}-{e.target}")
def test_the_trigger_and_the_table_in_code_allow_the_same_edges(conn: Connection, edge: Edge) -> None:
    if edge in LEGAL_EDGES:
        _take(conn, edge)
    else:
        with pytest.raises(IntegrityError, match="illegal transition"):
            _take(conn, edge)


@pytest.mark.parametrize("final", ["SUCCESS", "FAILED", "CANCELLED"])
@pytest.mark.parametrize("target", [JobStatus.PENDING, JobStatus.PROCESSING])
def test_a_final_job_never_changes_again(conn: Connection, final: str, target: JobStatus) -> None:
    job_id = a_job(conn)
    started(conn, job_id)
    verb = {"SUCCESS": "succeed", "FAILED": "fail", "CANCELLED": "cancel"}[final]
    conn.execute(
        text(f"UPDATE jobs SET status = '{final}', verb = '{verb}', version = version + 1, "
             f"{_FINAL_FIELDS[JobStatus(final)]} WHERE id = :id"), {"id": job_id},
    )  # fmt: skip

    with pytest.raises(IntegrityError):
        conn.execute(
            text(f"UPDATE jobs SET status = '{target}', verb = 'start', version = version + 1, finished_at = NULL, "
                 f"result = NULL, {_FINAL_FIELDS[target]} WHERE id = :id"), {"id": job_id},
        )  # fmt: skip
    with pytest.raises(IntegrityError, match="illegal transition"):
        conn.execute(text("UPDATE jobs SET finished_at = finished_at + interval '1 s' WHERE id = :id"), {"id": job_id})


def test_a_transition_without_a_new_version_is_refused(conn: Connection) -> None:
    job_id = a_job(conn)
    with pytest.raises(IntegrityError, match="illegal transition"):
        conn.execute(
            text(f"UPDATE jobs SET status = 'PROCESSING', verb = 'start', {_FINAL_FIELDS[JobStatus.PROCESSING]} "
                 "WHERE id = :id"), {"id": job_id},
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "lease_until = clock_timestamp()",
        "finished_at = clock_timestamp()",
        "result = '{}'",
        "attempt = 4",
        "attempt = 3",
        "crashes = 9",
        "tenant = 'not a tenant'",
        "status = 'DONE'",
        "parameters = '[]'",
    ],
)
def test_what_the_code_relies_on_the_table_states(conn: Connection, change: str) -> None:
    job_id = a_job(conn)
    with pytest.raises(IntegrityError):
        conn.execute(text(f"UPDATE jobs SET {change} WHERE id = :id"), {"id": job_id})


def test_a_job_is_born_waiting(conn: Connection) -> None:
    job_id = a_job(conn)
    with pytest.raises(IntegrityError):
        conn.execute(
            text("""INSERT INTO jobs (id, tenant, report_type, report_version, parameters, formats, max_attempts,
                    max_crashes, run_at, next_ring_at, deadline_at, status, cancel_requested_at, finished_at)
                    SELECT gen_random_uuid(), tenant, report_type, report_version, parameters, formats, max_attempts,
                    max_crashes, run_at, next_ring_at, deadline_at, 'CANCELLED', now(), now()
                    FROM jobs WHERE id = :id"""),
            {"id": job_id},
        )


@pytest.mark.parametrize("wrong", [{"tenant": "not a tenant"}, {"tenant": ""}, {"parameters": []}], ids=repr)
def test_a_job_is_born_with_a_well_formed_tenant_and_an_object_of_parameters(
    conn: Connection, wrong: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match="well-formed tenant"):
        a_job(conn, **wrong)


def test_enum_and_check_know_the_same_states(conn: Connection) -> None:
    check = conn.execute(
        text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'jobs_status_check'")
    ).scalar_one()

    assert {status for status in JobStatus if f"'{status}'" in check} == set(JobStatus)
    assert check.count("'::text") == len(JobStatus)


def test_the_migrated_schema_is_the_one_in_tables(database_url: str) -> None:
    migrations.check(database_url)


def test_migrating_twice_is_harmless(database_url: str) -> None:
    migrations.upgrade(database_url)
    migrations.upgrade(database_url)


@pytest.mark.parametrize(("formats", "result"), [(["csv"], '{"answer": {}}'), ([], '{"files": 0}')])
def test_a_success_has_an_answer_exactly_when_no_format_was_asked_for(
    conn: Connection, formats: list[str], result: str
) -> None:
    job_id = a_job(conn, formats=formats)
    started(conn, job_id)
    with pytest.raises(IntegrityError, match="jobs_an_answer_exactly_without_files"):
        conn.execute(
            text("UPDATE jobs SET status = 'SUCCESS', verb = 'succeed', version = version + 1, lease_until = NULL, "
                 "finished_at = clock_timestamp(), result = CAST(:result AS jsonb) WHERE id = :id"),
            {"id": job_id, "result": result},
        )  # fmt: skip
