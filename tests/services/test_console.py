"""The console in this process: its pages, its forms, and what it refuses."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from tests.support.api_app import an_app, finished
from tests.support.jobs import a_job, count, row

SAMPLE = str(Path("deploy/sample/catalog").absolute())
OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
FORM = {"key": "k-1", "p.from": "2013-01-01", "p.to": "2013-01-31", "p.carriers": "UA\nDL", "format": "csv"}


@pytest.fixture
def client(database_url: str, scratch: Path, tmp_path: Path) -> Iterator[TestClient]:
    hostile = tmp_path / "catalog" / "hostile"
    hostile.mkdir(parents=True)
    (hostile / "report.toml").write_text(
        'title = "<script>alert(1)</script>"\ndescription = "\\"><img src=x onerror=alert(1)>"\nformats = ["csv"]\n'
        '[parameters.name]\ntype = "string"\ntitle = "<b>name"\n'
    )
    (hostile / "query.sql").write_text("SELECT :name AS name ORDER BY 1")
    app = an_app(database_url, scratch, CATALOG_PATH=str(tmp_path / "catalog"))
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def sample(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, CATALOG_PATH=SAMPLE)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


class _Found(HTMLParser):
    """Everything in a page that a strict policy would not run, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = {name for name, _ in attrs}
        if tag == "script" and "src" not in names:
            self.inline.append("script")
        handlers = (n for n in names if n == "style" or n.startswith(("on", "hx-on")))
        self.inline += [f"{tag} {name}" for name in handlers]


def looked_at(page: str) -> _Found:
    found = _Found()
    found.feed(page)
    return found


def submitted(client: TestClient, name: str = "flights-export", **more: str) -> UUID:
    answer = client.post(f"/console/new/{name}", data={**FORM, **more})
    assert answer.status_code == 303, answer.text
    return UUID(answer.headers["location"].removeprefix("/console/jobs/"))


def test_every_page_is_whole_and_has_nothing_inline(sample: TestClient) -> None:
    job_id = submitted(sample)
    pages = (
        "",
        "/jobs",
        f"/jobs?panel={job_id}",
        "/new",
        "/new/carrier-delays",
        "/report-types",
        "/report-types/flights-export",
        f"/jobs/{job_id}",
    )
    for path in pages:
        for language in ("en", "ja"):
            answer = sample.get(f"/console{path}", headers={"Accept-Language": language})
            assert answer.status_code == 200, (path, answer.text)
            found = looked_at(answer.text)
            assert found.inline == [], path
            assert found.tags.count("h1") == 1, path
            assert f'<html lang="{language}"' in answer.text
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"


def test_a_form_makes_one_job_however_often_it_is_sent(sample: TestClient, conn: Connection) -> None:
    job_id = submitted(sample)

    assert submitted(sample) == job_id
    assert count(conn, "jobs") == 1
    job = row(conn, job_id)
    assert job.parameters["carriers"] == ["UA", "DL"]
    assert job.parameters["from"] == "2013-01-01"
    assert list(job.formats) == ["csv"]
    page = sample.get(f"/console/jobs/{job_id}").text
    assert "UA, DL" in page
    assert str(job_id) in sample.get("/console").text


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(sample: TestClient, conn: Connection) -> None:
    wrong = {**FORM, "p.from": "31.1.2013", "p.carriers": "UA\nmuch too long"}
    answer = sample.post("/console/new/flights-export", data=wrong)

    assert answer.status_code == 422
    assert count(conn, "jobs") == 0
    assert 'aria-invalid="true"' in answer.text
    assert 'id="p.from-wrong"' in answer.text
    assert 'id="p.carriers-wrong"' in answer.text
    assert "31.1.2013" in answer.text
    assert "much too long" in answer.text
    assert 'value="k-1"' in answer.text, "the same form is the same request"


def test_what_is_wrong_is_told_in_japanese_alone(sample: TestClient) -> None:
    wrong = {**FORM, "p.from": "31.1.2013", "p.carriers": "UA\nmuch too long"}
    answer = sample.post("/console/new/flights-export", data=wrong, headers={"Accept-Language": "ja"})

    told = re.findall(r'id="p\.[a-z]+-wrong"[^>]*>(.*?)</', answer.text, re.DOTALL)
    assert len(told) == 2
    assert "日付を YYYY-MM-DD の形で入力してください" in told[0]
    assert not re.search(r"must|match|characters", " ".join(told))


@pytest.mark.parametrize("path", ["new/flights-export", "preferences", "jobs/{job}/cancel", "jobs/{job}/retry"])
def test_forms_of_other_sites_change_nothing(sample: TestClient, conn: Connection, path: str) -> None:
    job_id = submitted(sample)
    for headers in (OTHER_SITE, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}):
        answer = sample.post(f"/console/{path.format(job=job_id)}", data={"language": "ja"}, headers=headers)
        assert answer.status_code == 403, answer.text
        assert "set-cookie" not in answer.headers
    assert count(conn, "jobs") == 1
    assert row(conn, job_id).status == "PENDING"


def test_a_job_is_cancelled_and_asked_for_again(sample: TestClient, conn: Connection) -> None:
    job_id = submitted(sample)
    own = {"Sec-Fetch-Site": "same-origin"}

    assert sample.post(f"/console/jobs/{job_id}/retry", data={"key": "q"}, headers=own).status_code == 409
    assert sample.post(f"/console/jobs/{job_id}/cancel", data={"key": "c"}, headers=own).status_code == 303
    assert row(conn, job_id).status == "CANCELLED"
    again = [sample.post(f"/console/jobs/{job_id}/retry", data={"key": "r"}, headers=own) for _ in range(2)]
    assert [a.status_code for a in again] == [303, 303]
    assert again[0].headers["location"] == again[1].headers["location"]
    new = UUID(again[0].headers["location"].removeprefix("/console/jobs/"))
    assert row(conn, new).retry_of == job_id
    changed = sample.get(f"/console/new/flights-export?from={job_id}").text
    assert 'value="2013-01-31"' in changed
    assert "UA\nDL</textarea>" in changed


def test_files_are_downloads_and_never_pages(sample: TestClient, conn: Connection, scratch: Path) -> None:
    job_id = submitted(sample)
    assert sample.get(f"/console/jobs/{job_id}/files/calendar.csv").status_code == 409
    finished(conn, str(job_id), scratch, b"<script>alert(1)</script>")

    assert "calendar.csv" in sample.get(f"/console/jobs/{job_id}").text
    answer = sample.get(f"/console/jobs/{job_id}/files/calendar.csv")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert sample.get(f"/console/jobs/{job_id}/files/other.csv").status_code == 404


def test_hostile_texts_are_texts(client: TestClient, conn: Connection) -> None:
    name = "</textarea><script>alert(2)</script>"
    answer = client.post("/console/new/hostile", data={"p.name": name, "key": "x"})
    job_id = UUID(answer.headers["location"].removeprefix("/console/jobs/"))
    paths = (
        "",
        "/jobs",
        "/new",
        "/new/hostile",
        f"/new/hostile?from={job_id}",
        "/report-types",
        "/report-types/hostile",
    )
    for path in (*paths, f"/jobs/{job_id}", "/<script>alert(3)</script>", "/new/<script>"):
        page = client.get(f"/console{path}").text
        found = looked_at(page)
        assert found.inline == [], path
        assert "img" not in found.tags, path
        assert "b" not in found.tags or path in ("", "/jobs"), path  # values stand out in a list
    assert "&lt;script&gt;alert(1)" in client.get("/console/new").text


@pytest.mark.parametrize(
    "path",
    ["/jobs/none", "/jobs/019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", "/nothing", "/new/nothing", "/report-types/nothing"],
)
def test_what_does_not_exist_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(f"/console/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-request-id"] in answer.text
    if path == "/nothing":
        assert answer.text.count("Page not found") == 2, "as title and heading, and not once more"
        assert texts("ja")("problem_about.unknown_path") in client.get(
            f"/console/{path}", headers={"Accept-Language": "ja"}
        ).text  # fmt: skip


def test_another_tenants_job_is_not_there(client: TestClient, conn: Connection) -> None:
    theirs = a_job(conn, tenant="globex")

    assert client.get(f"/console/jobs/{theirs}").status_code == 404
    assert str(theirs) not in client.get("/console").text
    assert client.post(f"/console/jobs/{theirs}/cancel", data={"key": "c"}).status_code == 404
    assert row(conn, theirs).status == "PENDING"


@pytest.mark.parametrize("path", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "/a\nb"])
def test_choices_are_remembered_and_lead_nowhere_else(client: TestClient, path: str) -> None:
    answer = client.post("/console/preferences", data={"language": "ja", "theme": "dark", "next": path})

    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    page = client.get("/console/new", headers={"Accept-Language": "en"}).text
    assert '<html lang="ja" data-theme="dark"' in page
    refused = client.post("/console/preferences", data={"language": "<x>", "theme": "pink", "next": "/console/new"})
    assert refused.headers["location"] == "/console/new"
    assert "set-cookie" not in refused.headers


def test_forms_are_bounded_and_of_one_kind(client: TestClient) -> None:
    assert client.post("/console/new/hostile", json={}).status_code == 415
    assert client.post("/console/new/hostile", data={"p.name": "x" * 300_000}).status_code == 413
    assert client.post("/console/new/hostile", data={"p.name": "x", "o.priority": "9" * 5_000}).status_code == 422
    many = "&".join(f"p{n}=1" for n in range(3_000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/console/new/hostile", content=many, headers=headers).status_code == 422
    assert client.post("/console/new/hostile", content=b"p=%ff", headers=headers).status_code == 422


def test_the_console_can_be_switched_off(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch, CONSOLE="off")) as client:
        assert client.get("/console").status_code == 404
        assert client.get("/console/static/console.css").status_code == 404


def test_static_files_change_their_address_with_their_bytes(client: TestClient) -> None:
    page = client.get("/console").text
    assets = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)

    assert len(assets) >= 4
    for address in assets:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert re.search(r"\?v=[0-9a-f]{12}$", address)


def test_pages_work_behind_a_proxy_with_a_path(database_url: str, scratch: Path) -> None:
    app = an_app(database_url, scratch, API_ROOT_PATH="/reports", CATALOG_PATH=SAMPLE)
    with TestClient(app, follow_redirects=False) as client:
        page = client.get("/console").text
        assert set(re.findall(r'(?:href|src|action)="(/[a-z]+)', page)) == {"/reports"}
        answer = client.post("/console/new/flights-export", data=FORM)
        assert answer.headers["location"].startswith("/reports/console/jobs/")


def test_the_list_is_filtered_and_paged_by_its_address(sample: TestClient, conn: Connection) -> None:
    for n in range(30):
        submitted(sample, key=f"many-{n}")
    other = a_job(conn, tenant="default", report_type="carrier-delays", parameters={})

    first = sample.get("/console/jobs?reportType=flights-export&status=PENDING").text
    assert first.count('<tr id="job-') == 25
    assert str(other) not in first
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert "reportType=flights-export" in following
    second = sample.get(following.replace("&amp;", "&")).text
    assert second.count('<tr id="job-') == 5
    assert "/part/newer" not in second, "what is new stands on the first page"
    assert sample.get("/console/jobs?status=FAILED").text.count('<tr id="job-') == 0
    assert sample.get("/console/jobs?size=50&reportType=flights-export").text.count('<tr id="job-') == 30


@pytest.mark.parametrize(
    "query",
    ["status=DONE", "stauts=FAILED", "createdAfter=yesterday", "retryOf=x", "size=7", "panel=x", "q=colour:red"],
)
def test_a_filter_that_means_nothing_is_shown_and_not_dropped(sample: TestClient, query: str) -> None:
    submitted(sample)

    answer = sample.get(f"/console/jobs?{query}&reportType=flights-export", follow_redirects=True)

    assert answer.status_code == 422
    assert 'class="bad"' in answer.text
    assert '<tr id="job-' not in answer.text
    [without] = re.findall(r'class="bad">.*?<a href="([^"]+)"', answer.text)
    mended = sample.get(without.replace("&amp;", "&"))
    assert mended.status_code == 200
    assert '<tr id="job-' in mended.text


def test_words_of_the_search_become_the_filters_of_the_address(sample: TestClient, conn: Connection) -> None:
    job_id = submitted(sample)
    words = "state:pending type:flights-export by:ann error:timeout label.team:finance"

    answer = sample.get("/console/jobs", params={"q": words, "status": "FAILED", "reportType": "", "size": "25"})

    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked == {
        "status": ["FAILED", "PENDING"], "reportType": ["flights-export"], "requester": ["ann"],
        "errorCode": ["timeout"], "label": ["team:finance"], "size": ["25"],
    }  # fmt: skip
    assert sample.get(f"/console/jobs?q={job_id}").headers["location"] == f"/console/jobs/{job_id}"


def test_only_the_named_rows_are_read_again_and_only_those_that_one_sees(sample: TestClient, conn: Connection) -> None:
    waits, ended = submitted(sample), submitted(sample, key="k-2")
    theirs = a_job(conn, tenant="globex")
    sample.post(f"/console/jobs/{ended}/cancel", data={"key": "c"})

    page = sample.get("/console/jobs").text
    [asked] = re.findall(r'hx-get="(/console/part/rows[^"]+)"', page)
    assert str(waits) in asked
    assert str(ended) not in asked, "what is final does not change"
    again = sample.get(f"/console/part/rows?kind=jobs&row={waits}&row={ended}&row={theirs}").text
    assert again.count("<hx-partial") == 2
    assert str(theirs) not in again
    [still] = re.findall(r'hx-get="(/console/part/rows[^"]+)"', again)
    assert str(waits) in still
    assert str(ended) not in still
    assert sample.get("/console/part/rows?kind=jobs&row=x").status_code == 422
    assert sample.get("/console/part/rows?" + "&".join([f"row={waits}"] * 102)).status_code == 422


def test_what_is_new_is_counted_and_not_shown(sample: TestClient, conn: Connection) -> None:
    oldest = submitted(sample)
    page = sample.get("/console/jobs?reportType=flights-export").text
    [asked] = re.findall(r'hx-get="(/console/part/newer[^"]+)"', page)
    assert str(oldest) in asked

    for n in range(3):
        submitted(sample, key=f"new-{n}")
    a_job(conn, tenant="default", report_type="carrier-delays")
    a_job(conn, tenant="globex", report_type="flights-export")

    told = sample.get(asked.replace("&amp;", "&")).text
    assert "3 new" in told
    assert '/console/jobs?reportType=flights-export"' in told
    assert sample.get(f"/console/part/newer?kind=jobs&than={oldest}&status=DONE").status_code == 422


def test_a_page_of_another_filter_is_refused_in_words(sample: TestClient) -> None:
    answer = sample.get("/console/jobs?pageToken=nothing")

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
