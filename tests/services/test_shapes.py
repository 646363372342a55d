"""What a client may set about the shape of its files, and dates in words: checked, stored, part of the question."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from shared.catalog.model import Catalog, Column, Format, Limits, ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.shape import Shape, TypeOptions
from shared.jobs import cancel
from shared.jobs.viewer import Viewer
from tests.support.api_app import problem
from tests.support.jobs import count, row, started

SALES = ReportType(
    "sales", "Sales", "", "1", "default", "SELECT :from", (Format.CSV, Format.PDF), limits=Limits(max_rows=1000),
    parameters=(
        Parameter("from", ParameterKind.DATE, "From", default="start_of_last_month"),
        Parameter("until", ParameterKind.DATETIME, "Until"),
    ),
    columns={
        name: Column(name, name.title(), required_scope=scope)
        for name, scope in (("day", None), ("amount", None), ("salary", "pay:read"))
    },
)  # fmt: skip
TYPES = {
    "sales": SALES,
    "fixed": replace(
        SALES, name="fixed", options=TypeOptions(("sort", "limit"), Shape("Asia/Tokyo", columns=("day",)))
    ),
    "bare": replace(SALES, name="bare", columns={}),
}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    settings = ApiSettings.from_environment({"DATABASE_URL": database_url, "ARTIFACT_URL": scratch.as_uri()})
    parts = replace(assemble(settings), catalog=Catalog(TYPES, "sales"))
    with TestClient(create_app(parts), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, report_type: str = "sales", **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"reportType": report_type, **fields})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = client.get(answer.json()["links"]["self"]).json()
    return job


def wrong(client: TestClient, conn: Connection, report_type: str = "sales", **fields: Any) -> dict[str, str]:
    """What is wrong, by field. Nothing is written."""
    answer = client.post("/v1/jobs", json={"reportType": report_type, **fields})
    told = problem(answer, 422, "invalid_request")
    assert count(conn, "jobs") == count(conn, "outbox") == 0
    return {v["field"]: v["message"] for v in told["violations"]}


def test_a_shape_is_stored_shown_and_given_to_the_worker(client: TestClient, conn: Connection) -> None:
    asked: dict[str, Any] = {
        "timeZone": "Asia/Tokyo",
        "columns": ["amount", "day"],
        "sort": ["-amount", "day"],
        "limit": 10,
    }
    job = ask(client, **asked, parameters={"from": "2024-01-01"})
    assert {name: job[name] for name in asked} == asked
    assert job["relativeDates"] is None
    assert row(conn, UUID(job["jobId"])).options == asked
    taken = started(conn, UUID(job["jobId"]))
    assert Shape.of(taken.options) == Shape("Asia/Tokyo", None, ("amount", "day"), ("-amount", "day"), 10)
    job = ask(client, csv={"delimiter": ";", "decimalMark": ",", "gzip": None})
    assert job["csv"] == {"delimiter": ";", "decimalMark": ","}
    assert ask(client, csv={})["csv"] is None


def test_a_job_that_asks_for_nothing_stores_nothing(client: TestClient, conn: Connection) -> None:
    job = ask(client, parameters={"from": "2024-01-01"})
    assert row(conn, UUID(job["jobId"])).options is None
    assert [job[name] for name in ("timeZone", "columns", "sort", "limit", "csv", "locale", "relativeDates")] == [
        None
    ] * 7
    assert started(conn, UUID(job["jobId"])).options is None


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"timeZone": "Asia/Tokio"}, "timeZone", "did you mean 'Asia/Tokyo'?"),
        ({"timeZone": 9}, "timeZone", "must be a string"),
        ({"timeZone": "UTC'; DROP TABLE jobs; --"}, "timeZone", "is not a time zone"),
        ({"columns": ["amnt"]}, "columns[0]", "did you mean 'amount'?"),
        ({"columns": ["day", "day"]}, "columns[1]", "is listed twice"),
        ({"columns": []}, "columns", "must be a list"),
        ({"columns": "day"}, "columns", "must be a list"),
        ({"columns": [1]}, "columns", "must be a list"),
        ({"sort": ["-amnt"]}, "sort[0]", "did you mean 'amount'?"),
        ({"sort": ["day", "-day"]}, "sort[1]", "is listed twice"),
        ({"sort": ["--day"]}, "sort[0]", "is not a column"),
        ({"limit": 0}, "limit", "must be from 1 to 1000"),
        ({"limit": 1001}, "limit", "must be from 1 to 1000"),
        ({"limit": "10"}, "limit", "must be an integer"),
        ({"limit": True}, "limit", "must be an integer"),
        ({"locale": "de"}, "locale", "is not a language of sales; there are: en"),
        ({"locale": 1}, "locale", "must be a language"),
        ({"csv": []}, "csv", "must be an object"),
        ({"csv": {"delimeter": ";"}}, "csv.delimeter", "did you mean 'delimiter'?"),
        ({"csv": {"delimiter": ":"}}, "csv.delimiter", 'must be one of ",", ";"'),
        ({"csv": {"encoding": "utf8"}}, "csv.encoding", "did you mean 'utf-8'?"),
        ({"csv": {"bom": 1}}, "csv.bom", "must be one of true, false"),
        ({"csv": {"decimalMark": ","}}, "csv.decimalMark", 'add "delimiter": ";"'),
        ({"csv": {"bom": True, "encoding": "cp932"}}, "csv.bom", "works with utf-8 and utf-16 only"),
        ({"timezone": "UTC"}, "timezone", "did you mean 'timeZone'?"),
        ({"parameters": {"from": "yesterdy"}}, "parameters.from", '"start_of_last_month"'),
        ({"parameters": {"from": "now"}}, "parameters.from", "must be a day"),
        ({"runAt": "tomorow"}, "runAt", '"start_of_last_month"'),
    ],
)
def test_a_wrong_option_says_where_what_and_the_remedy_and_nothing_is_written(
    fields: dict[str, Any], field: str, told: str, client: TestClient, conn: Connection
) -> None:
    assert told in wrong(client, conn, **fields)[field]


def test_everything_wrong_is_said_at_once(client: TestClient, conn: Connection) -> None:
    fields: dict[str, Any] = {
        "timeZone": "x",
        "columns": ["x", "y"],
        "sort": ["z"],
        "limit": -1,
        "parameters": {"from": "x"},
    }
    assert list(wrong(client, conn, **fields)) == [
        "timeZone", "columns[0]", "columns[1]", "sort[0]", "limit", "parameters.from",
    ]  # fmt: skip
    many = wrong(client, conn, columns=[f"c{n}" for n in range(1000)])
    assert len(many) == 20


def test_a_report_type_forbids_and_has_defaults(client: TestClient, conn: Connection) -> None:
    told = wrong(client, conn, "fixed", sort=["day"], limit=5)
    assert told == dict.fromkeys(("sort", "limit"), "is not allowed for fixed: leave it out")
    assert "has none" in wrong(client, conn, "bare", columns=["day"])["columns"]
    job = ask(client, "fixed")
    assert (job["timeZone"], job["columns"], job["sort"]) == ("Asia/Tokyo", ["day"], None)
    job = ask(client, "fixed", timeZone="UTC", columns=["amount"])
    assert (job["timeZone"], job["columns"]) == ("UTC", ["amount"])


def test_the_schema_of_a_report_type_says_what_may_be_asked_for(client: TestClient) -> None:
    properties = client.get("/v1/report-types/sales").json()["options"]["properties"]
    assert properties["columns"]["items"]["enum"] == ["day", "amount", "salary"]
    assert "-amount" in properties["sort"]["items"]["enum"]
    assert properties["limit"]["maximum"] == 1000
    fixed = client.get("/v1/report-types/fixed").json()["options"]["properties"]
    assert sorted(fixed) == ["columns", "csv", "locale", "timeZone"]
    assert fixed["timeZone"]["default"] == "Asia/Tokyo"
    assert sorted(client.get("/v1/report-types/bare").json()["options"]["properties"]) == [
        "csv",
        "limit",
        "locale",
        "timeZone",
    ]


def test_dates_in_words_become_days_of_the_requests_zone_and_the_words_stay_beside(client: TestClient) -> None:
    zone = "Pacific/Kiritimati"  # fourteen hours ahead
    today = datetime.now(ZoneInfo(zone)).date()
    job = ask(client, timeZone=zone, parameters={"from": "today", "until": "now-1h"})
    if job["parameters"]["from"] != str(today):  # midnight has passed meanwhile
        today = datetime.now(ZoneInfo(zone)).date()
    assert job["parameters"]["from"] == str(today)
    until = datetime.fromisoformat(job["parameters"]["until"])
    assert abs(datetime.now(UTC) - until - timedelta(hours=1)) < timedelta(minutes=5)
    assert job["relativeDates"] == {"from": "today", "until": "now-1h"}
    assert ask(client)["relativeDates"] == {"from": "start_of_last_month"}


def test_a_moment_may_be_in_words_too(client: TestClient, conn: Connection) -> None:
    job = ask(client, timeZone="Asia/Tokyo", runAt="tomorrow+9h", notAfter="tomorrow+10h")
    run_at = datetime.fromisoformat(job["runAt"]).astimezone(ZoneInfo("Asia/Tokyo"))
    assert (run_at.hour, run_at.minute) == (9, 0)
    assert datetime.fromisoformat(job["deadlineAt"]) - run_at == timedelta(hours=1)


def at(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    """Let it be that instant for words."""
    monkeypatch.setattr(Moment, "now", classmethod(lambda cls, zone="UTC": cls(instant, zone)))


def test_a_retry_keeps_the_days_and_the_shape_unless_it_is_asked_anew(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, datetime(2001, 1, 1, 12, tzinfo=UTC))
    old = ask(client, timeZone="Asia/Tokyo", columns=["day"], parameters={"from": "today", "until": "now"})
    at(monkeypatch, datetime(2001, 1, 5, 12, tzinfo=UTC))
    cancel.cancel(conn, UUID(old["jobId"]), Viewer("default"))

    def again(**fields: Any) -> dict[str, Any]:
        answer = client.post(f"/v1/jobs/{old['jobId']}:retry", json=fields)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = client.get(answer.json()["links"]["self"]).json()
        return job

    same = again()
    assert same["parameters"]["from"] == "2001-01-01"
    assert same["relativeDates"] == {"from": "today", "until": "now"}
    assert (same["timeZone"], same["columns"]) == ("Asia/Tokyo", ["day"])
    anew = again(parameters={"from": "today"}, columns=None, limit=7)
    assert anew["parameters"] == {"from": "2001-01-05", "until": "2001-01-01T12:00:00Z"}
    assert anew["relativeDates"] == {"from": "today", "until": "now"}
    assert (anew["timeZone"], anew["columns"], anew["limit"]) == ("Asia/Tokyo", None, 7)
    fixed = again(parameters={"from": "2002-02-02", "until": None})
    assert fixed["relativeDates"] is None


def test_the_shape_is_part_of_the_question_and_the_words_are_not(client: TestClient) -> None:
    def asked(**fields: Any) -> str:
        body = {"reportType": "sales", "reuse": {"maxAgeSeconds": 3600}, **fields}
        return str(client.post("/v1/jobs", json=body).json()["jobId"])

    today = datetime.now(UTC).date()
    first = asked(parameters={"from": "today"})
    assert asked(parameters={"from": str(today)}) == first or datetime.now(UTC).date() > today
    others: list[dict[str, Any]] = [
        {"timeZone": "Asia/Tokyo"}, {"columns": ["day"]}, {"columns": ["day", "amount"]},
        {"columns": ["amount", "day"]}, {"sort": ["day"]}, {"sort": ["-day"]}, {"limit": 1}, {"limit": 2},
        {"csv": {"delimiter": ";"}},
    ]  # fmt: skip
    assert len({first, *(asked(**other) for other in others)}) == 1 + len(others)


def test_the_same_key_stands_for_the_same_words_on_another_day(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(**fields: Any) -> Any:
        return client.post("/v1/jobs", json={"reportType": "sales", **fields}, headers={"Idempotency-Key": "k"})

    at(monkeypatch, datetime(2001, 1, 1, 12, tzinfo=UTC))
    job_id = asked(parameters={"from": "yesterday"}, limit=5).json()["jobId"]
    at(monkeypatch, datetime(2001, 1, 2, 12, tzinfo=UTC))
    assert asked(limit=5.0, parameters={"from": "yesterday"}).json()["jobId"] == job_id
    problem(asked(parameters={"from": "yesterday"}, limit=6), 422, "idempotency_key_reused")
    problem(asked(parameters={"from": "today"}, limit=5), 422, "idempotency_key_reused")


def test_an_estimate_takes_the_same_fields(client: TestClient) -> None:
    assert client.post("/v1/jobs:estimate", json={"reportType": "sales", "limit": 3}).status_code == 200
    problem(client.post("/v1/jobs:estimate", json={"reportType": "sales", "limit": 0}), 422, "invalid_request")
