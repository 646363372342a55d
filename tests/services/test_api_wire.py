"""What clients receive, byte by byte where it is written by hand, and how the API describes itself."""

import json
from collections.abc import Mapping
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
from services.api.http import error_problems
from services.api.settings import ApiSettings
from services.api.v1.event_views import EventView, event_view
from services.api.v1.views import AcceptedView, accepted, job_view
from shared import json_text
from shared.jobs.artifacts import ROWS_FORMAT, Artifact
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


@pytest.mark.parametrize(
    ("status", "now"),
    [
        (JobStatus.PENDING, {"stream": "/stream", "cancel": ":cancel"}),
        (JobStatus.PROCESSING, {"stream": "/stream", "cancel": ":cancel"}),
        (JobStatus.FAILED, {"retry": ":retry", "keep": ":keep", "delete": ""}),
        (JobStatus.SUCCESS, {"rows": "/rows", "retry": ":retry", "keep": ":keep", "delete": ""}),
    ],
)
def test_links_lead_to_what_there_is_and_to_what_can_be_done_now(status: JobStatus, now: Mapping[str, str]) -> None:
    job = _a_job(status=status)
    rows = Artifact("rows.jsonl", ROWS_FORMAT, "application/x-ndjson", 10, "0" * 64, 1)
    shown = job_view(job, [rows] if status is JobStatus.SUCCESS else [], "/reports")

    wanted = {"self": "", "events": "/events", "why": "/why", **now}
    assert shown.links == {name: f"/reports/v1/jobs/{job.id}{path}" for name, path in wanted.items()}


@pytest.mark.parametrize("root", ["", "/reports"])
def test_the_202_that_is_made_by_hand_is_what_its_model_would_be(root: str) -> None:
    body = accepted(Submitted(uuid4(), "calendar", created=True, status=JobStatus.PENDING), root)

    assert json_text.write(body) == AcceptedView.model_validate(body).model_dump_json(by_alias=True)


def test_times_have_their_offset_written_out_and_what_is_not_known_is_null() -> None:
    job = json.loads(job_view(_a_job()).model_dump_json(by_alias=True))

    assert job["createdAt"] == "2026-01-31T12:00:00.250000+00:00"
    assert [name for name, value in job.items() if value is None] == [
        "requestedBy", "retryOf", "scheduleId", "relativeDates", "timeZone", "locale", "columns", "sort", "limit",
        "csv", "fileName", "callbackUrl", "notifyWhen",
        "progress", "result", "error", "cost", "startedAt",
        "cancelRequestedAt", "finishedAt", "expiresAt", "keptUntil", "priority", "runAt", "nextAttemptAt",
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
    result = {"seconds": 0.25, "answer": {"rows": 3}, "phases": [["querying", 0.2], ["storing", 0.01]]}
    answered = job_view(_a_job(status=JobStatus.SUCCESS, result=result))

    shown = json.loads(retrying.model_dump_json(by_alias=True))
    assert shown["progress"] == {**progress, "totalRows": None, "etaS": None}
    assert (shown["error"], shown["cost"]) == (error, cost)
    assert shown["nextAttemptAt"] == "2026-01-31T12:00:00.250000+00:00"
    assert json.loads(answered.model_dump_json(by_alias=True))["result"] == {
        "artifacts": [], "requiredScopes": [], "warnings": [], "manifest": None, "preview": None, "answer": {"rows": 3},
        "seconds": 0.25,
        "phases": [{"phase": "querying", "seconds": 0.2}, {"phase": "storing", "seconds": 0.01}],
    }  # fmt: skip


_STABLE_NAMES = {
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
    "GET /v1/jobs/{job_id}/rows": "listJobRows",
    "GET /v1/jobs/{job_id}/page.png": "getJobPage",
    "POST /v1/bulk": "createBulk",
    "GET /v1/bulk": "listBulk",
    "GET /v1/bulk/{bulk_id}": "getBulk",
    "POST /v1/bulk/{bulk_id}:run": "runBulk",
    "POST /v1/bulk/{bulk_id}:stop": "stopBulk",
    "GET /v1/bulk/{bulk_id}/results": "listBulkResults",
    "GET /v1/me": "getMe",
    "GET /v1/keys": "listKeys",
    "POST /v1/keys": "createKey",
    "GET /v1/keys/{key_id}": "getKey",
    "DELETE /v1/keys/{key_id}": "revokeKey",
    "POST /v1/keys/{key_id}:rotate": "rotateKey",
    "GET /v1/audit": "listAudit",
    "GET /v1/overview": "getOverview",
    "GET /v1/dead-letters": "listDeadLetters",
    "POST /v1/dead-letters:redrive": "redriveDeadLetters",
    "POST /v1/dead-letters:drop": "dropDeadLetters",
    "GET /v1/outbox/parked": "listParkedMessages",
    "POST /v1/outbox/parked:requeue": "requeueParkedMessages",
    "POST /v1/outbox/parked:drop": "dropParkedMessages",
    "GET /v1/gates": "listGates",
    "GET /v1/gates/{kind}/{name}": "getGate",
    "POST /v1/gates/{kind}/{name}:pause": "pauseGate",
    "POST /v1/gates/{kind}/{name}:resume": "resumeGate",
    "PUT /v1/gates/{kind}/{name}/cap": "setCap",
    "DELETE /v1/gates/{kind}/{name}/cap": "removeCap",
    "PUT /v1/gates/tenant/{name}/queue-cap": "setQueueCap",
    "DELETE /v1/gates/tenant/{name}/queue-cap": "removeQueueCap",
    "POST /v1/jobs/{job_id}/artifacts/{name}:share": "shareArtifact",
    "GET /v1/shares": "listShares",
    "GET /v1/shares/{share_id}": "getShare",
    "DELETE /v1/shares/{share_id}": "revokeShare",
    "GET /v1/schedules": "listSchedules",
    "POST /v1/schedules": "createSchedule",
    "POST /v1/schedules:preview": "previewSchedule",
    "GET /v1/schedules/{schedule_id}": "getSchedule",
    "PATCH /v1/schedules/{schedule_id}": "updateSchedule",
    "DELETE /v1/schedules/{schedule_id}": "deleteSchedule",
    "POST /v1/schedules/{schedule_id}:pause": "pauseSchedule",
    "POST /v1/schedules/{schedule_id}:resume": "resumeSchedule",
    "POST /v1/schedules/{schedule_id}:run": "runSchedule",
    "POST /v1/schedules/{schedule_id}:backfill": "backfillSchedule",
    "GET /v1/schedules/{schedule_id}/ticks": "listScheduleTicks",
    "GET /v1/webhooks": "listWebhooks",
    "POST /v1/webhooks": "createWebhook",
    "GET /v1/webhooks/{webhook_id}": "getWebhook",
    "PATCH /v1/webhooks/{webhook_id}": "updateWebhook",
    "DELETE /v1/webhooks/{webhook_id}": "deleteWebhook",
    "POST /v1/webhooks/{webhook_id}:test": "testWebhook",
    "POST /v1/webhooks/{webhook_id}:rotate": "rotateWebhookSecret",
    "POST /v1/webhooks/{webhook_id}:redeliver": "redeliverWebhook",
    "GET /v1/webhooks/{webhook_id}/deliveries": "listWebhookDeliveries",
    "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}": "getWebhookDelivery",
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}:redeliver": "redeliverWebhookDelivery",
    "GET /v1/report-types": "listReportTypes",
    "GET /v1/report-types/{name}": "getReportType",
    "GET /v1/report-types/{name}/choices/{parameter}": "listChoices",
}
"""The names that generated clients use."""


def test_operations_have_stable_names(app: FastAPI) -> None:
    names = {operation: found["operationId"] for operation, found in _operations(app).items()}

    assert len(set(names.values())) == len(names)
    assert {operation: name for operation, name in names.items() if "/v1/" in operation} == _STABLE_NAMES
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

    assert raised - {TodokeError} <= set(error_problems._PROBLEMS)
    assert MOST_VIOLATIONS == 100
