"""Every method of the client against the API's own description, and the two shells against each other."""

import importlib
import inspect
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from tests.client.conftest import Make
from tests.client.samples import JOB_ID, sample
from todoke import AsyncTodoke, Todoke
from todoke.async_jobs import AsyncJobs
from todoke.async_keys import AsyncAudit, AsyncKeys
from todoke.async_types import AsyncTypes
from todoke.errors import UnexpectedAnswer
from todoke.jobs import Jobs
from todoke.keys import Audit, Keys
from todoke.options import JobFilter, JobOptions, Submission
from todoke.types import Types

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
    "labels": {"team": "finance"}, "priority": 9,
}  # fmt: skip
SOON = datetime(2027, 1, 31, tzinfo=UTC)
WHICH: JobFilter = {
    "status": ["FAILED"], "report_type": "calendar", "labels": {"team": "finance"}, "created_after": "-24h",
    "created_before": SOON, "requester": "ci", "error_code": "boom", "retry_of": JOB_ID,
}  # fmt: skip
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
    "jobs.events": ("listJobEvents", lambda t: t.jobs.events(JOB_ID)),
    "jobs.cancel": ("cancelJob", lambda t: t.jobs.cancel(JOB_ID, if_match='"1"')),
    "jobs.estimate": (
        "estimateJob", lambda t: t.jobs.estimate("calendar", {"a": 1}, formats=["csv"], **OPTIONS)
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
    "me": ("getMe", lambda t: t.me()),
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
    "types.get": ("getReportType", lambda t: t.types.get("calendar")),
}  # fmt: skip
"""Each method with all its arguments, and the operation that it stands for."""
ELSEWHERE = {"jobs.stream", "jobs.download", "jobs.download_as", "jobs.download_into"}
"""What they ask for is a file or a stream: tests/client/test_downloads.py and test_streaming.py."""


AHEAD: set[str] = set()
"""What the client has and the API gets next: held to its description from then on."""
MEANINGLESS = {"jobs.estimate": {"reuse"}}
"""What an operation takes because another does, and what means nothing there."""


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
        described_fields = set(schema["properties"]) - MEANINGLESS.get(method, set())
        assert described_fields == set(json.loads(request.content)), "all arguments were given"
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


FREE = ("parameters", "answer", "labels", "before", "after", "links", "columns.key", "url")
"""What a model passes on as it came, or does without: addresses are made here, from ids and names."""


@pytest.mark.parametrize(
    ("schema", "module", "model"),
    [
        ("AcceptedView", "models", "Accepted"),
        ("RetriedView", "models", "Retried"),
        ("JobView", "models", "Job"),
        ("JobsView", "models", "JobsPage"),
        ("EventView", "models", "Event"),
        ("WhyView", "why", "Why"),
        ("EstimateView", "estimate", "Estimate"),
        ("MeView", "keys_and_audit", "Me"),
        ("KeyView", "keys_and_audit", "Key"),
        ("KeysView", "keys_and_audit", "KeysPage"),
        ("RotatedKeyView", "keys_and_audit", "MadeKey"),
        ("TrailView", "keys_and_audit", "AuditPage"),
        ("ReportTypesView", "report_types", "ReportTypes"),
        ("ReportTypeView", "report_types", "ReportType"),
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
        if where.rpartition(".")[2] not in FREE:
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
    [(Todoke, AsyncTodoke), (Jobs, AsyncJobs), (Types, AsyncTypes), (Keys, AsyncKeys), (Audit, AsyncAudit)],
    ids=lambda k: k.__name__,
)
def test_both_shells_have_the_same_methods(blocking: type, other: type) -> None:
    assert public(blocking) == public(other)
    for name in public(blocking):
        one, two = getattr(blocking, name), getattr(other, name)
        assert inspect.getdoc(one) == inspect.getdoc(two), name
        assert inspect.iscoroutinefunction(two) or name in {"iter", "stream"}, name
        returns = [str(inspect.signature(f).return_annotation).replace("Async", "") for f in (one, two)]
        assert returns[0] == returns[1], name


def test_the_constructors_differ_in_the_kind_of_http_client_alone() -> None:
    one, two = (inspect.signature(kind).parameters for kind in (Todoke, AsyncTodoke))
    assert list(one) == list(two)
    assert {n for n in one if one[n] != two[n]} == {"http_client"}


def test_every_method_is_held_to_the_description() -> None:
    kinds = {"jobs": Jobs, "types": Types, "keys": Keys, "audit": Audit}
    methods = {f"{name}.{method}" for name, kind in kinds.items() for method in public(kind)} | {"me"}
    assert methods == set(CALLS) | ELSEWHERE


NOT_YET = {"streamJobs"}
"""Operations that no method stands for. Give a new one a method, a command and a line above; or name it here."""
_OF_METHODS_ELSEWHERE = {"streamJob", "downloadArtifact"}


def test_every_operation_has_a_method(document: Document) -> None:
    versioned = {name for name, (_, path, _) in operations(document).items() if path.startswith("/v1/")}
    assert versioned - {name for name, _ in CALLS.values()} - _OF_METHODS_ELSEWHERE == NOT_YET


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
    with pytest.raises(UnexpectedAnswer, match="1 submissions have 0 answers"):
        client.jobs.create_many([{"report_type": "calendar"}])
