"""The list of jobs as its reader wants it: columns, order, ranges of time and lengths, and as a file."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection
from starlette.datastructures import QueryParams

from services.api.console import files, list_query
from services.api.console.texts import texts
from shared.jobs import finish
from shared.jobs.finish import Failure
from shared.reports import columns
from tests.services.test_console import SAMPLE, looked_at
from tests.support.api_app import an_app
from tests.support.jobs import a_job, started
from tests.support.postgres.roles import service_urls

Jobs = Sequence[UUID]


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(service_urls(database_url)["api"], scratch, CATALOG_PATH=SAMPLE)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def jobs(conn: Connection) -> Jobs:
    """Three: one runs for two hours, one ended after a minute, one waits. Oldest first."""
    runs, ended, _ = made = [a_job(conn, tenant="default", report_type="flights-export") for _ in range(3)]
    started(conn, runs)
    lease = started(conn, ended).lease
    finish.fail(conn, [Failure(lease, "boom", "it broke", retryable=False, delay_s=0)])
    conn.execute(
        text("UPDATE jobs SET started_at = coalesce(finished_at - interval '1 min', now() - interval '2 h') "
             "WHERE id IN (:runs, :ended)"), {"runs": runs, "ended": ended},
    )  # fmt: skip
    return made


def test_of_a_great_many_mistakes_some_are_told_and_hinted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    hints = mock.Mock(return_value="")
    for place in ("list_query", "audit"):
        monkeypatch.setattr(f"services.api.console.{place}.did_you_mean", hints)
    wrong = "&".join(f"crea{n:x}=1&column={n:x}" for n in range(600))
    assert "crea13" in client.get(f"/console/jobs?{wrong}").text
    assert client.get(f"/console/audit?{wrong}").status_code == 422
    assert 1 < hints.call_count <= 3 * 20


def test_of_a_great_many_filters_some_have_chips() -> None:
    params = QueryParams([("label", f"a:{n}") for n in range(300)])
    written = mock.Mock(wraps=list_query._encoded)
    with mock.patch.object(list_query, "_encoded", written):
        found = list_query.read_query(params)
    assert len(found.chips) == 50
    assert len(found.given) == 300
    assert written.call_count <= 60, "each says the address without it"


def shown(page: str) -> list[str]:
    """The ids of the rows, from the top."""
    return [part[:36] for part in page.split('<tr id="job-')[1:]]


def test_the_columns_are_chosen_and_kept_by_the_address(client: TestClient, jobs: Jobs) -> None:
    say = texts("en")
    page = client.get("/console/jobs?column=labels&column=ran&column=by").text

    assert f'<td data-label="{say("jobs.labels")}"' in page
    assert f'<td data-label="{say("jobs.waited")}"' not in page
    assert page.index(f'data-label="{say("jobs.by")}"') < page.index(f'data-label="{say("jobs.labels")}"')
    again = client.get(f"/console/part/rows?kind=jobs&row={jobs[2]}&column=labels&column=by").text
    assert f'data-label="{say("jobs.labels")}"' in again
    assert f'data-label="{say("jobs.waited")}"' not in again, "rows that are read again have the columns of their list"
    assert "column=by&amp;column=ran&amp;column=labels&amp;sort=-ran" in page, "another order keeps the columns"
    wrong = client.get("/console/jobs?column=waits")
    assert wrong.status_code == 422
    assert "waited" in wrong.text


def test_a_page_is_sorted_and_says_that_the_list_is_not(client: TestClient, jobs: Jobs) -> None:
    runs, ended, waits = map(str, jobs)
    page = client.get("/console/jobs?sort=ran").text
    assert shown(page) == [ended, waits, runs], "what has no figure comes last, newest first"
    assert 'aria-sort="ascending"' in page
    assert texts("en")("jobs.sorted", count=3) in page, page[page.index('id="found"') :][:400]
    assert shown(client.get("/console/jobs?sort=asked").text) == [runs, ended, waits]
    assert shown(client.get("/console/jobs?sort=-asked").text) == [waits, ended, runs]
    assert client.get("/console/jobs?sort=title").status_code == 422


def test_jobs_that_took_long_are_found_also_those_that_run_still(client: TestClient, jobs: Jobs) -> None:
    runs, ended, _ = map(str, jobs)

    assert shown(client.get("/console/jobs?tookAtLeast=30s").text) == [ended, runs]
    assert shown(client.get("/console/jobs?tookAtLeast=1h").text) == [runs]
    there = client.get("/console/jobs?q=took:%3E1h&size=25").headers["location"]
    assert parse_qs(urlsplit(there).query) == {"tookAtLeast": ["1h"], "size": ["25"]}
    assert client.get("/console/jobs?tookAtLeast=long").status_code == 422
    assert [job["jobId"] for job in client.get("/v1/jobs?tookAtLeast=1h").json()["jobs"]] == [runs]


@pytest.mark.parametrize(
    ("entered", "meant"),
    [
        ("from=2026-01-31T12:00&to=&zone=Asia/Tokyo", {"createdAfter": ["2026-01-31T12:00:00+09:00"]}),
        ("from=2026-07-01T00:00&to=2026-07-02T00:00&zone=Europe/Berlin&createdAfter=-1h&status=FAILED",
         {"createdAfter": ["2026-07-01T00:00:00+02:00"], "createdBefore": ["2026-07-02T00:00:00+02:00"],
          "status": ["FAILED"]}),
        ("from=&to=&zone=UTC&q=&status=FAILED", {"status": ["FAILED"]}),
        ("from=soon&zone=UTC", {"createdAfter": ["soon"]}),
        ("to=2026-07-02T00:00&zone=Mars/Base&q=", {"to": ["2026-07-02T00:00"], "zone": ["Mars/Base"]}),
    ],
)  # fmt: skip
def test_a_range_is_entered_in_a_zone_and_the_address_says_the_moments(
    client: TestClient, entered: str, meant: dict[str, list[str]]
) -> None:
    answer = client.get(f"/console/jobs?{entered}")

    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query) == meant
    page = client.get(answer.headers["location"])
    assert page.status_code == (422 if "soon" in entered or "Mars" in entered else 200)
    assert looked_at(page.text).inline == []


def test_the_list_is_a_file_with_every_mistake_of_spreadsheets_disarmed(
    client: TestClient, conn: Connection, jobs: Jobs
) -> None:
    odd = a_job(conn, tenant="default", report_type="=cmd()", labels={"team": "財務"}, parameters={"a": '"x",\n'})
    a_job(conn, tenant="globex")
    assert tuple(files.FORMULA_STARTS) == tuple(columns.FORMULA_STARTS)
    answer = client.get("/console/jobs/export?format=csv&status=PENDING")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["jobId"] for row in rows] == [str(odd), str(jobs[2])]
    assert rows[0]["reportType"] == "'=cmd()"
    assert json.loads(rows[0]["labels"]) == {"team": "財務"}
    assert json.loads(rows[0]["parameters"]) == {"a": '"x",\n'}
    lines = client.get("/console/jobs/export?format=jsonl").text.splitlines()
    assert [json.loads(line)["jobId"] for line in lines] == [str(job_id) for job_id in (odd, *reversed(jobs))]
    assert client.get("/console/jobs/export?format=xml").status_code == 422
    assert client.get("/console/jobs/export?format=csv&status=DONE").status_code == 422


def test_a_file_that_is_not_the_whole_list_says_so(
    client: TestClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PAGE", 1)
    whole = client.get("/console/jobs/export?format=csv").text
    assert whole.count("\r\n") == 1 + 3
    monkeypatch.setattr(files, "MOST", 2)

    cut = client.get("/console/jobs/export?format=csv").text.splitlines()

    assert [line.split(",")[0] for line in cut[1:3]] == [str(job_id) for job_id in (jobs[2], jobs[1])]
    assert cut[3].startswith("# ")
    assert "note" in json.loads(client.get("/console/jobs/export?format=jsonl").text.splitlines()[-1])
