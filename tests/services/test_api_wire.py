"""What clients get, byte by byte where it is made by hand, and how the API describes itself."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI

from services.api.actions.errors import MOST_VIOLATIONS
from services.api.actions.submissions import Submitted
from services.api.app import create_app
from services.api.assembly import assemble
from services.api.http import problems
from services.api.settings import ApiSettings
from services.api.v1.views import AcceptedView, EventView, accepted, event_view, job_view
from shared import json_text
from shared.jobs.events import JobEvent
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.version import VERSION

_AT = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """An application that never serves."""
    environment = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "ARTIFACT_URL": tmp_path.as_uri()}
    return create_app(assemble(ApiSettings.from_environment(environment)))


def _operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    return {f"{method.upper()} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def _a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = dict.fromkeys(Job.__dataclass_fields__)
    fields |= {
        "id": uuid4(), "tenant": "acme", "report_type": "calendar", "report_version": "1", "parameters": {"from": "x"},
        "formats": ["csv"], "keep_artifacts_s": 60, "keep_s": 120,
        "status": JobStatus.PENDING, "version": 1, "attempt": 0, "max_attempts": 3, "crashes": 0,
        "run_at": _AT, "deadline_at": _AT + timedelta(days=1), "created_at": _AT, "updated_at": _AT,
    }  # fmt: skip
    return Job(**{**fields, **changes})


@pytest.mark.parametrize("root", ["", "/reports"])
def test_the_202_that_is_made_by_hand_is_what_its_model_would_be(root: str) -> None:
    body = accepted(Submitted(uuid4(), "calendar", created=True, status=JobStatus.PENDING), root)

    assert json_text.write(body) == AcceptedView.model_validate(body).model_dump_json(by_alias=True)


def test_times_have_their_offset_written_out_and_what_is_not_known_is_null() -> None:
    job = json.loads(job_view(_a_job()).model_dump_json(by_alias=True))

    assert job["createdAt"] == "2026-01-31T12:00:00.250000+00:00"
    assert [name for name, value in job.items() if value is None] == [
        "requestedBy", "retryOf", "fileName", "progress", "result", "error", "cost", "startedAt", "cancelRequestedAt",
        "finishedAt", "expiresAt", "keptUntil", "priority", "runAt", "nextAttemptAt",
    ]  # fmt: skip
    event = event_view(JobEvent(1, None, JobStatus.PENDING, "submit", 0, None, _AT))
    assert json.loads(event.model_dump_json(by_alias=True)) == {
        "version": 1, "fromStatus": None, "toStatus": "PENDING", "verb": "submit", "attempt": 0,
        "reason": None, "at": "2026-01-31T12:00:00.250000+00:00",
    }  # fmt: skip
    assert EventView.model_validate(event) is event


def test_progress_error_and_answer_stand_in_the_job() -> None:
    error = {"code": "boom", "message": "it broke", "retryable": True, "hint": ""}
    cost = {"cpuSeconds": 0.5, "peakMemoryMb": 90, "bytesRead": 10, "bytesWritten": 20}
    progress = {"phase": "query", "rows": 5, "percent": 12.5}
    retrying = job_view(_a_job(error={**error, "cost": cost}, progress=progress))
    answered = job_view(_a_job(status=JobStatus.SUCCESS, result={"seconds": 0.25, "answer": {"rows": 3}}))

    shown = json.loads(retrying.model_dump_json(by_alias=True))
    assert shown["progress"] == {**progress, "totalRows": None, "etaS": None}
    assert (shown["error"], shown["cost"]) == (error, cost)
    assert shown["nextAttemptAt"] == "2026-01-31T12:00:00.250000+00:00"
    assert json.loads(answered.model_dump_json(by_alias=True))["result"] == {
        "artifacts": [], "requiredScopes": [], "warnings": [], "manifest": None, "answer": {"rows": 3},
        "seconds": 0.25,
    }  # fmt: skip


def test_operations_have_stable_names(app: FastAPI) -> None:
    names = {operation: found["operationId"] for operation, found in _operations(app).items()}

    assert len(set(names.values())) == len(names)
    assert {operation: name for operation, name in names.items() if "/v1/" in operation} == {
        "POST /v1/jobs": "submitJob",
        "POST /v1/jobs:batch": "submitJobs",
        "GET /v1/jobs": "listJobs",
        "GET /v1/jobs/{job_id}": "getJob",
        "DELETE /v1/jobs/{job_id}": "deleteJob",
        "POST /v1/jobs/{job_id}:keep": "keepJob",
        "GET /v1/jobs/{job_id}/events": "listJobEvents",
        "GET /v1/jobs/{job_id}/why": "getJobWhy",
        "POST /v1/jobs:estimate": "estimateJob",
        "GET /v1/jobs/{job_id}/stream": "streamJob",
        "GET /v1/jobs:stream": "streamJobs",
        "POST /v1/jobs/{job_id}:cancel": "cancelJob",
        "POST /v1/jobs/{job_id}:retry": "retryJob",
        "GET /v1/jobs/{job_id}/artifacts/{name}": "downloadArtifact",
        "GET /v1/me": "getMe",
        "GET /v1/keys": "listKeys",
        "POST /v1/keys": "createKey",
        "GET /v1/keys/{key_id}": "getKey",
        "DELETE /v1/keys/{key_id}": "revokeKey",
        "POST /v1/keys/{key_id}:rotate": "rotateKey",
        "GET /v1/audit": "listAudit",
        "GET /v1/report-types": "listReportTypes",
        "GET /v1/report-types/{name}": "getReportType",
    }
    assert names["POST /generate-report"] == "generateReport"
    assert names["GET /jobs/{job_id}"] == "getJobUnversioned"


def test_what_follows_a_submission_exists(app: FastAPI) -> None:
    operations = _operations(app)
    links = operations["POST /v1/jobs"]["responses"]["202"]["links"]

    assert {link["operationId"] for link in links.values()} <= {found["operationId"] for found in operations.values()}
    assert app.openapi()["info"]["version"] == VERSION


def test_every_problem_that_is_described_is_one(app: FastAPI) -> None:
    for operation, found in _operations(app).items():
        for status, response in found["responses"].items():
            if status[0] in "45" and status != "416":
                assert "application/problem+json" in response["content"], f"{operation} {status}"
                assert response["description"], f"{operation} {status}"


def test_every_error_of_an_action_becomes_a_problem() -> None:
    from services.api.actions import errors
    from shared.errors import TodokeError

    raised = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TodokeError)}

    assert raised - {TodokeError} <= set(problems._PROBLEMS)
    assert MOST_VIOLATIONS == 100
