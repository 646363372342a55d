"""Every method of the client compared with the API's own description, and the two clients with each other."""

import importlib
import inspect
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx2
import jsonschema_rs
import pytest

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from tests.client.conftest import Make
from tests.client.samples import JOB_ID, sample
from todoke import AsyncTodoke, Todoke
from todoke.admin import Admin
from todoke.async_admin import AsyncAdmin
from todoke.async_bulk import AsyncBulk
from todoke.async_jobs import AsyncJobs
from todoke.async_keys import AsyncAudit, AsyncKeys
from todoke.async_schedules import AsyncSchedules
from todoke.async_types import AsyncTypes
from todoke.async_webhooks import AsyncWebhooks
from todoke.bulk import Bulk
from todoke.errors import UnexpectedAnswer
from todoke.jobs import Jobs
from todoke.keys import Audit, Keys
from todoke.options import JobFilter, JobOptions, Submission
from todoke.schedule_options import ScheduleOptions
from todoke.schedules import Schedules
from todoke.shares import Shares
from todoke.types import Types
from todoke.webhooks import Webhooks

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """/openapi.json."""
    environment = {
        "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "ARTIFACT_URL": tmp_path_factory.mktemp("a").as_uri(),
    }  # fmt: skip
    found: Document = create_app(assemble(ApiSettings.from_environment(environment))).openapi()
    return found


OPTIONS: JobOptions = {
    "run_at": datetime(2026, 1, 31, tzinfo=UTC), "not_after": "2026-02-01T00:00:00+09:00", "max_attempts": 2,
    "keep_files_seconds": 3600, "keep_seconds": 86_400, "file_name": "sales {date}",
    "labels": {"team": "finance"}, "priority": 9, "time_zone": "Asia/Tokyo", "columns": ["a"], "sort": ["-a"],
    "locale": "ja", "password": "hush-hush", "callback_url": "https://example.com/done",
    "notify_when": ["failure", {"figure": "rows", "above": 5}],
    "limit": 5, "csv": {"delimiter": ";", "decimal_mark": ",", "line_end": "crlf", "formula_guard": False},
}  # fmt: skip
SOON = datetime(2027, 1, 31, tzinfo=UTC)
WHICH: JobFilter = {
    "status": ["FAILED"], "report_type": "calendar", "labels": {"team": "finance"}, "created_after": "-24h",
    "created_before": SOON, "requester": "ci", "error_code": "boom", "retry_of": JOB_ID,
    "bulk": JOB_ID, "schedule": JOB_ID, "id": JOB_ID[:8],
    "took_at_least": "30s",
}  # fmt: skip
OF_JOBS = {name: value for name, value in OPTIONS.items() if name not in {"run_at", "not_after", "password"}}
SCHEDULED = cast(
    "ScheduleOptions",
    {**OF_JOBS, "cron": "0 7 * * MON", "every_seconds": 86_400, "until": SOON, "jitter_seconds": 60,
     "misfire": "run_all", "misfire_most": 2, "overlap": "queue"},
)  # fmt: skip
CALLS: dict[str, tuple[str, Callable[[Todoke], Any]]] = {
    "jobs.create": (
        "submitJob", lambda t: t.jobs.create(
            "calendar", {"a": 1}, formats=["csv"], idempotency_key="k", reuse_seconds=60, **OPTIONS
        ),
    ),
    "jobs.why": ("getJobWhy", lambda t: t.jobs.why(JOB_ID)),
    "jobs.get": ("getJob", lambda t: t.jobs.get(JOB_ID)),
    "jobs.list": ("listJobs", lambda t: t.jobs.list(page_size=5, page_token="a.b", **WHICH)),
    "jobs.iter": ("listJobs", lambda t: next(iter(t.jobs.iter(page_size=5, **WHICH)))),
    "jobs.rows": ("listJobRows", lambda t: t.jobs.rows(JOB_ID, page_size=5, after=10)),
    "jobs.iter_rows": ("listJobRows", lambda t: next(iter(t.jobs.iter_rows(JOB_ID)))),
    "jobs.events": ("listJobEvents", lambda t: t.jobs.events(JOB_ID)),
    "jobs.cancel": ("cancelJob", lambda t: t.jobs.cancel(JOB_ID, if_match='"1"')),
    "jobs.estimate": (
        "estimateJob", lambda t: t.jobs.estimate("calendar", {"a": 1}, formats=["csv"], reuse_seconds=60, **OPTIONS)
    ),
    "jobs.keep": ("keepJob", lambda t: t.jobs.keep(JOB_ID, expires_at=SOON, kept_until=SOON, if_match='"1"')),
    "jobs.create_many": ("submitJobs", lambda t: t.jobs.create_many([{"report_type": "calendar"}])),
    "jobs.delete": ("deleteJob", lambda t: t.jobs.delete(JOB_ID, cancel=True, if_match='"1"')),
    "jobs.retry": (
        "retryJob",
        lambda t: t.jobs.retry(
            JOB_ID, {"a": None}, formats=["csv"], idempotency_key="k", if_match='"1"', **OPTIONS
        ),
    ),
    "jobs.wait": ("getJob", lambda t: t.jobs.wait(JOB_ID)),
    "types.list": ("listReportTypes", lambda t: t.types.list()),
    "jobs.share": (
        "shareArtifact",
        lambda t: t.jobs.share(JOB_ID, "a.csv", expires_seconds=3600, max_downloads=5, idempotency_key="k"),
    ),
    "shares.get": ("getShare", lambda t: t.shares.get(JOB_ID)),
    "shares.list": ("listShares", lambda t: t.shares.list(job=JOB_ID, page_size=5, page_token="a")),
    "shares.iter": ("listShares", lambda t: next(iter(t.shares.iter(job=JOB_ID, page_size=5)))),
    "shares.revoke": ("revokeShare", lambda t: t.shares.revoke(JOB_ID)),
    "schedules.create": (
        "createSchedule",
        lambda t: t.schedules.create(
            "Mondays", "calendar", {"a": 1}, formats=["csv"], idempotency_key="k", **SCHEDULED
        ),
    ),
    "schedules.preview": (
        "previewSchedule",
        lambda t: t.schedules.preview("Mondays", "calendar", {"a": 1}, formats=["csv"], **SCHEDULED),
    ),
    "schedules.get": ("getSchedule", lambda t: t.schedules.get(JOB_ID)),
    "schedules.list": ("listSchedules", lambda t: t.schedules.list(page_size=5, page_token="a")),
    "schedules.iter": ("listSchedules", lambda t: next(iter(t.schedules.iter(page_size=5)))),
    "schedules.update": (
        "updateSchedule",
        lambda t: t.schedules.update(
            JOB_ID, if_match='"1"', name="Mondays", report_type="calendar", parameters={"a": 1}, formats=["csv"],
            **SCHEDULED,
        ),
    ),
    "schedules.delete": ("deleteSchedule", lambda t: t.schedules.delete(JOB_ID, if_match='"1"')),
    "schedules.pause": ("pauseSchedule", lambda t: t.schedules.pause(JOB_ID, note="it moves", if_match='"1"')),
    "schedules.resume": ("resumeSchedule", lambda t: t.schedules.resume(JOB_ID, if_match='"1"')),
    "schedules.run": ("runSchedule", lambda t: t.schedules.run(JOB_ID, idempotency_key="k")),
    "schedules.backfill": (
        "backfillSchedule", lambda t: t.schedules.backfill(JOB_ID, SOON, "2027-02-28T00:00:00Z")
    ),
    "schedules.ticks": ("listScheduleTicks", lambda t: t.schedules.ticks(JOB_ID, page_size=5, page_token="a")),
    "schedules.iter_ticks": ("listScheduleTicks", lambda t: next(iter(t.schedules.iter_ticks(JOB_ID)))),
    "bulk.create": (
        "createBulk", lambda t: t.bulk.create("retry", reason="it is back", dry_run=False, idempotency_key="k", **WHICH)
    ),
    "bulk.get": ("getBulk", lambda t: t.bulk.get(JOB_ID)),
    "bulk.list": ("listBulk", lambda t: t.bulk.list(page_size=5, page_token="a")),
    "bulk.run": ("runBulk", lambda t: t.bulk.run(JOB_ID)),
    "bulk.stop": ("stopBulk", lambda t: t.bulk.stop(JOB_ID)),
    "bulk.results": (
        "listBulkResults", lambda t: t.bulk.results(JOB_ID, outcome="refused", page_size=5, page_token="a")
    ),
    "bulk.iter_results": (
        "listBulkResults", lambda t: next(iter(t.bulk.iter_results(JOB_ID, outcome="refused", page_size=5)))
    ),
    "me": ("getMe", lambda t: t.me()),
    "webhooks.create": (
        "createWebhook",
        lambda t: t.webhooks.create(
            "https://example.com/", types=["job.failed"], report_types=["calendar"], notify_when=["rows"],
            description="ours",
            idempotency_key="k",
        ),
    ),
    "webhooks.get": ("getWebhook", lambda t: t.webhooks.get(JOB_ID)),
    "webhooks.list": ("listWebhooks", lambda t: t.webhooks.list(page_size=5, page_token="a")),
    "webhooks.update": (
        "updateWebhook",
        lambda t: t.webhooks.update(
            JOB_ID, url="https://example.com/", types=[], report_types=None, notify_when=None, description="x",
            enabled=False, if_match='"1"',
        ),
    ),
    "webhooks.delete": ("deleteWebhook", lambda t: t.webhooks.delete(JOB_ID, if_match='"1"')),
    "webhooks.test": ("testWebhook", lambda t: t.webhooks.test(JOB_ID)),
    "webhooks.rotate": ("rotateWebhookSecret", lambda t: t.webhooks.rotate(JOB_ID, overlap_seconds=5)),
    "webhooks.redeliver_since": ("redeliverWebhook", lambda t: t.webhooks.redeliver_since(JOB_ID, SOON)),
    "webhooks.deliveries": (
        "listWebhookDeliveries", lambda t: t.webhooks.deliveries(JOB_ID, state="dead", page_size=5, page_token="a")
    ),
    "webhooks.iter": (
        "listWebhookDeliveries", lambda t: next(iter(t.webhooks.iter(JOB_ID, state="dead", page_size=5)))
    ),
    "webhooks.delivery": ("getWebhookDelivery", lambda t: t.webhooks.delivery(JOB_ID, JOB_ID)),
    "webhooks.redeliver": ("redeliverWebhookDelivery", lambda t: t.webhooks.redeliver(JOB_ID, JOB_ID)),
    "keys.create": ("createKey", lambda t: t.keys.create("ci", ["jobs:read"], expires_at=SOON, idempotency_key="k")),
    "keys.get": ("getKey", lambda t: t.keys.get("4fzyo82mvyr0")),
    "keys.list": ("listKeys", lambda t: t.keys.list(page_size=5, page_token="a")),
    "keys.rotate": (
        "rotateKey", lambda t: t.keys.rotate("k1", overlap_seconds=5, expires_at=SOON, idempotency_key="k")
    ),
    "keys.revoke": ("revokeKey", lambda t: t.keys.revoke("4fzyo82mvyr0")),
    "audit.list": (
        "listAudit",
        lambda t: t.audit.list(
            action="key.create", subject="ci", object="key:k1", since=SOON, until="2027-01-31T00:00:00Z", page_size=5,
            page_token="a",
        ),
    ),
    "audit.iter": (
        "listAudit",
        lambda t: next(
            iter(
                t.audit.iter(
                    action="key.create", subject="ci", object="key:k1", since=SOON, until="2027-01-31T00:00:00Z",
                    page_size=5,
                )
            )
        ),
    ),
    "admin.list_gates": ("listGates", lambda t: t.admin.list_gates(kind="tenant")),
    "admin.get_gate": ("getGate", lambda t: t.admin.get_gate("report-type", "calendar")),
    "admin.pause": (
        "pauseGate", lambda t: t.admin.pause("tenant", "acme", reason="unpaid", until=SOON, if_match='"1"')
    ),
    "admin.resume": ("resumeGate", lambda t: t.admin.resume("tenant", "acme", if_match='"1"')),
    "admin.set_cap": ("setCap", lambda t: t.admin.set_cap("tenant", "acme", 4, if_match='"1"')),
    "admin.set_queue_cap": ("setQueueCap", lambda t: t.admin.set_queue_cap("acme", 4, if_match='"1"')),
    "admin.remove_queue_cap": ("removeQueueCap", lambda t: t.admin.remove_queue_cap("acme", if_match='"1"')),
    "admin.remove_cap": ("removeCap", lambda t: t.admin.remove_cap("tenant", "acme", if_match='"1"')),
    "admin.overview": ("getOverview", lambda t: t.admin.overview(period="24h")),
    "admin.list_dead_letters": (
        "listDeadLetters", lambda t: t.admin.list_dead_letters(page_size=5, page_token="a")
    ),
    "admin.redrive_dead_letters": (
        "redriveDeadLetters", lambda t: t.admin.redrive_dead_letters(["a"], reason="mended", dry_run=True)
    ),
    "admin.drop_dead_letters": (
        "dropDeadLetters", lambda t: t.admin.drop_dead_letters(["a"], reason="not ours", dry_run=True)
    ),
    "admin.list_parked_messages": (
        "listParkedMessages", lambda t: t.admin.list_parked_messages(page_size=5, page_token="a")
    ),
    "admin.requeue_parked_messages": (
        "requeueParkedMessages", lambda t: t.admin.requeue_parked_messages("all", reason="mended", dry_run=True)
    ),
    "admin.drop_parked_messages": (
        "dropParkedMessages", lambda t: t.admin.drop_parked_messages(["7"], reason="not ours", dry_run=True)
    ),
    "types.choices": (
        "listChoices", lambda t: t.types.choices("calendar", "origin", {"country": "JP"}, time_zone="Asia/Tokyo")
    ),
    "types.get": ("getReportType", lambda t: t.types.get("calendar")),
}  # fmt: skip
"""Each method with all its arguments, and the operation that it stands for."""
ELSEWHERE = {
    "jobs.stream", "jobs.changes", "jobs.download", "jobs.download_as", "jobs.download_into", "jobs.first_page",
}  # fmt: skip
"""What they ask for is a file or a stream: test_downloads.py, test_streaming.py, test_changes.py, test_rows.py."""


EITHER = {"ids", "all"}
"""The fields of which a request has one."""
AHEAD: set[str] = set()
"""What the client has and the API gets next: held to its description from then on."""


def operations(document: Document) -> dict[str, tuple[str, str, Document]]:
    """Operation id → method, path, description."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


class Api:
    """Answers as the document says, and keeps what was asked and what was read of the answer."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.asked: list[tuple[str, httpx2.Request]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        for name, (method, path, operation) in operations(self.document).items():
            if method == request.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/:]+", path), request.url.path):
                self.asked.append((name, request))
                status, answer = next((s, a) for s, a in operation["responses"].items() if s[0] == "2")
                if "content" not in answer:
                    return httpx2.Response(int(status))
                schema = answer["content"]["application/json"]["schema"]
                content = sample(schema, self.document)
                if name == "getJob":
                    content["status"] = "SUCCESS"
                return httpx2.Response(int(status), json=content)
        raise AssertionError(f"the API has no {request.method} {request.url.path}")


@pytest.mark.parametrize("method", CALLS)
def test_what_a_method_sends_is_what_the_api_describes(method: str, make: Make, document: Document) -> None:
    api = Api(document)
    operation_id, call = CALLS[method]
    if operation_id in AHEAD - set(operations(document)):
        return
    call(make(handler=api))

    name, request = api.asked[0]
    assert name == operation_id
    operation = operations(document)[name][2]
    described = {(p["in"], p["name"].lower()): p["schema"] for p in operation.get("parameters", ())}
    sent = set(request.url.params)
    assert {("query", one.lower()) for one in sent} <= set(described)
    if request.method != "GET":
        assert {one for where, one in described if where == "header"} - {"prefer"} <= set(request.headers)
    if request.content:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.validate(schema, json.loads(request.content))
        assert set(schema["properties"]) - {"ids", "all"} == set(json.loads(request.content)) - {"ids", "all"}, (
            "all arguments were given"
        )
        if "idempotency-key" in request.headers:
            assert ("header", "idempotency-key") in described
            assert request.headers["idempotency-key"] == "k"
    if method.endswith(".list"):
        assert sent == {name for (where, _), name in zip(described, _names(operation), strict=True) if where == "query"}


def _names(operation: Document) -> list[str]:
    return [p["name"] for p in operation.get("parameters", ())]


class Noting(dict[str, Any]):
    """A JSON object that notes which of its fields are read."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


def noting(value: Any, found: list[tuple[str, Noting]], where: str) -> Any:
    """The same value, of objects that note."""
    if isinstance(value, dict):
        made = Noting({name: noting(inner, found, f"{where}.{name}") for name, inner in value.items()})
        found.append((where, made))
        return made
    return [noting(one, found, where) for one in value] if isinstance(value, list) else value


FREE = ("filter", "facts", "measured", "byStatus", "outcomes", "parameters", "options", "relativeDates", "csv",
        "answer", "labels", "before", "after", "links", "words", "columns.key", "url", "rowsUrl")  # fmt: skip
"""What a model passes on as it came, or does without: addresses are made here, from ids and names."""


@pytest.mark.parametrize(
    ("schema", "module", "model"),
    [
        ("AcceptedView", "models", "Accepted"),
        ("RetriedView", "models", "Retried"),
        ("JobView", "models", "Job"),
        ("JobsView", "models", "JobsPage"),
        ("EventView", "models", "Event"),
        ("RowsView", "rows", "RowsPage"),
        ("WhyView", "why", "Why"),
        ("EstimateView", "estimate", "Estimate"),
        ("MeView", "keys_and_audit", "Me"),
        ("KeyView", "keys_and_audit", "Key"),
        ("KeysView", "keys_and_audit", "KeysPage"),
        ("RotatedKeyView", "keys_and_audit", "MadeKey"),
        ("TrailView", "keys_and_audit", "AuditPage"),
        ("GatesView", "gates", "Gates"),
        ("OverviewView", "installation", "Overview"),
        ("DeadLettersView", "put_aside", "DeadLettersPage"),
        ("ParkedMessagesView", "put_aside", "ParkedMessagesPage"),
        ("DoneView", "put_aside", "HandledMessages"),
        ("BulkView", "bulk_actions", "BulkAction"),
        ("BulksView", "bulk_actions", "BulkActionsPage"),
        ("BulkResultsView", "bulk_actions", "BulkResultsPage"),
        ("ScheduleView", "schedule_values", "Schedule"),
        ("ScheduleFields", "schedule_values", "SchedulePlan"),
        ("SchedulesView", "schedule_values", "SchedulesPage"),
        ("TicksView", "schedule_values", "TicksPage"),
        ("RunView", "schedule_values", "ScheduleRun"),
        ("BackfillView", "schedule_values", "Backfill"),
        ("ShareView", "share_values", "Share"),
        ("MadeShareView", "share_values", "MadeShare"),
        ("SharesView", "share_values", "SharesPage"),
        ("WebhookView", "webhook_values", "Webhook"),
        ("MadeWebhookView", "webhook_values", "MadeWebhook"),
        ("RotatedSecretView", "webhook_values", "RotatedSecret"),
        ("WebhooksView", "webhook_values", "WebhooksPage"),
        ("WholeDeliveryView", "webhook_values", "WholeDelivery"),
        ("DeliveriesView", "webhook_values", "DeliveriesPage"),
        ("ReportTypesView", "report_types", "ReportTypes"),
        ("ReportTypeView", "report_types", "ReportType"),
        ("ChoicesView", "report_types", "Choices"),
    ],
)
def test_a_model_reads_every_field_that_the_api_describes_and_no_other(
    schema: str, module: str, model: str, document: Document
) -> None:
    if schema in AHEAD - set(document["components"]["schemas"]):
        return
    found: list[tuple[str, Noting]] = []
    whole = noting(sample({"$ref": f"#/x/{schema}"}, document), found, schema)
    kind = getattr(importlib.import_module(f"todoke.{module}"), model)
    read = kind.from_json(whole)

    assert read.raw == whole
    for where, part in found:
        if where.rpartition(".")[2] not in FREE and where != "RowsView.rows":
            assert part.read - set(part) == set(), f"{where} has no such field"
            assert set(part) - part.read - set(FREE) == set(), f"{where}: the model does not read it"


def public(kind: type) -> dict[str, inspect.Signature]:
    """Its methods, with their parameters by name, kind, default and type."""
    return {
        name: inspect.signature(found).replace(return_annotation=inspect.Signature.empty)
        for name, found in vars(kind).items()
        if not name.startswith("_") and callable(found)
    }


@pytest.mark.parametrize(
    ("blocking", "other"),
    [
        (Todoke, AsyncTodoke),
        (Jobs, AsyncJobs),
        (Types, AsyncTypes),
        (Keys, AsyncKeys),
        (Audit, AsyncAudit),
        (Admin, AsyncAdmin),
        (Bulk, AsyncBulk),
        (Schedules, AsyncSchedules),
        (Webhooks, AsyncWebhooks),
    ],
    ids=lambda k: k.__name__,
)
def test_both_shells_have_the_same_methods(blocking: type, other: type) -> None:
    assert public(blocking) == public(other)
    for name in public(blocking):
        one, two = getattr(blocking, name), getattr(other, name)
        assert inspect.getdoc(one) == inspect.getdoc(two), name
        assert inspect.iscoroutinefunction(two) or name.startswith("iter") or name in {"stream", "changes"}, name
        returns = [str(inspect.signature(f).return_annotation).replace("Async", "") for f in (one, two)]
        assert returns[0] == returns[1], name


def test_the_constructors_differ_in_the_kind_of_http_client_alone() -> None:
    one, two = (inspect.signature(kind).parameters for kind in (Todoke, AsyncTodoke))
    assert list(one) == list(two)
    assert {n for n in one if one[n] != two[n]} == {"http_client"}


def test_every_method_is_held_to_the_description() -> None:
    kinds = {
        "jobs": Jobs, "bulk": Bulk, "schedules": Schedules, "shares": Shares, "types": Types, "keys": Keys,
        "audit": Audit, "admin": Admin, "webhooks": Webhooks,
    }  # fmt: skip
    methods = {f"{name}.{method}" for name, kind in kinds.items() for method in public(kind)} | {"me"}
    assert methods == set(CALLS) | ELSEWHERE


_OF_METHODS_ELSEWHERE = {"streamJob", "streamJobs", "downloadArtifact", "getJobPage"}


def test_every_operation_has_a_method(document: Document) -> None:
    """A new one gets a method, a command, and a line in CALLS."""
    versioned = {name for name, (_, path, _) in operations(document).items() if path.startswith("/v1/")}
    assert versioned - {name for name, _ in CALLS.values()} - _OF_METHODS_ELSEWHERE == set(), (
        "give each a method, a command and a line in CALLS"
    )


def test_a_model_of_a_later_server_keeps_what_it_does_not_know() -> None:
    from todoke.models import Job

    read = Job.from_json({"jobId": JOB_ID, "status": "ARCHIVED", "mood": "good", "finishedAt": "2026-01-31T12:00:00Z"})

    assert (read.status, read.ended, read.raw["mood"]) == ("ARCHIVED", True, "good")


def test_the_package_offers_what_it_lists(tmp_path: Path) -> None:
    import todoke

    for name in todoke.__all__:
        assert getattr(todoke, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        todoke.Nothing  # noqa: B018


def test_many_are_asked_for_a_thousand_at_a_time_and_each_keeps_its_key(make: Make) -> None:
    bodies: list[Any] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content)["jobs"])
        if len(bodies) == 1:
            return httpx2.Response(503)
        job = {"jobId": JOB_ID, "status": "PENDING", "reportType": "calendar"}
        problem = {"status": 404, "code": "unknown_report_type", "detail": "There is none."}
        refused = {"status": 404, "replayed": False, "job": None, "problem": problem}
        accepted = {"status": 202, "replayed": True, "job": job, "problem": None}
        return httpx2.Response(200, json={"results": [refused, *[accepted] * (len(bodies[-1]) - 1)]})

    wanted: list[Submission] = [{"report_type": "calendar", "max_attempts": 2}] * 1200
    done = make(handler=handler).jobs.create_many(wanted)

    assert [len(body) for body in bodies] == [1000, 1000, 200]
    assert bodies[0] == bodies[1], "the same keys at the second try"
    assert len({one["idempotencyKey"] for body in bodies[1:] for one in body}) == 1200
    assert bodies[0][0] | {"idempotencyKey": ""} == {"reportType": "calendar", "maxAttempts": 2, "idempotencyKey": ""}
    assert (done[0].job, type(done[0].problem).__name__) == (None, "NotFound")
    assert done[1].job is not None
    assert done[1].job.replayed
    assert len(done) == 1200


def test_answers_that_do_not_fit_their_questions_are_no_answer(make: Make) -> None:
    client = make(handler=lambda _: httpx2.Response(200, json={"results": []}))
    with pytest.raises(UnexpectedAnswer, match="0 results for 1 submissions"):
        client.jobs.create_many([{"report_type": "calendar"}])
