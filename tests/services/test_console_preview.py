"""A look into a report in the console: its first rows as a table, and the first page of its PDF."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import USUAL, Scope
from tests.services.test_console import looked_at
from tests.support.api_app import an_app
from tests.support.jobs import a_job
from tests.support.kept_rows import kept, png, rows_file

HOSTILE = [
    '<img src=x onerror="alert(1)">',
    "</td></table><script>alert(1)</script>",
    "{{ 7*7 }}",
    "'\"`=",
    "\u202eabc",
]
COLUMNS = [
    {"name": "n", "title": "<b>Number</b>", "type": "bigint"}, {"name": "who", "title": "", "type": "text"},
    {"name": "ok", "title": "OK", "type": "boolean"}, {"name": "odd", "title": "Odd", "type": "<i>later"},
]  # fmt: skip


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def job(conn: Connection) -> UUID:
    made: UUID = a_job(conn, tenant="default", formats=["pdf"])
    return made


def a_table(*rows: Sequence[object], of: int | None = None) -> bytes:
    return rows_file(rows, of=of, columns=COLUMNS)


def test_a_jobs_page_leads_to_its_rows_and_shows_the_page_of_its_pdf(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=a_table(["1", "ann", True, "x"]), picture=png(), file="calendar.pdf")

    page = client.get(f"/console/jobs/{job}").text

    assert f'hx-get="/console/jobs/{job}/rows/part"' in page
    assert f'<a href="/console/jobs/{job}/rows">First rows</a>' in page
    assert f'<img class="leaf" src="/console/jobs/{job}/page.png" alt="First page of calendar.pdf"' in page
    picture = client.get(f"/console/jobs/{job}/page.png")
    assert (picture.content, picture.headers["content-type"]) == (png(), "image/png")
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    again = client.get(f"/console/jobs/{job}/page.png", headers={"If-None-Match": picture.headers["etag"]})
    assert again.status_code == 304


def test_a_jobs_page_promises_nothing_that_is_not_kept(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, file="calendar.pdf")

    page = client.get(f"/console/jobs/{job}").text

    assert "rows/part" not in page
    assert "page.png" not in page
    assert client.get(f"/console/jobs/{job}/rows").status_code == 404


@pytest.mark.parametrize("path", ["/rows", "/rows/part"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_hostile_cells_are_texts(
    client: TestClient, conn: Connection, job: UUID, scratch: Path, path: str, language: str
) -> None:
    kept(conn, job, scratch, rows=a_table(*([n, text, None, text] for n, text in enumerate(HOSTILE))))

    page = client.get(f"/console/jobs/{job}{path}", headers={"Accept-Language": language}).text

    found = looked_at(page)
    assert found.inline == []
    assert {"img", "b", "i"} & set(found.tags) == set()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "&lt;b&gt;Number&lt;/b&gt;" in page


def test_null_is_not_an_empty_text_and_numbers_are_aligned(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=a_table(["9007199254740993", "", True, None]))

    part = client.get(f"/console/jobs/{job}/rows/part").text

    assert (
        '<td class="n">9007199254740993</td><td></td><td>true</td><td><span class="none">no value</span></td>' in part
    )
    assert '<th scope="col" class="n">&lt;b&gt;Number&lt;/b&gt; <small>whole number</small></th>' in part
    assert "<small>&lt;i&gt;later</small>" in part


def test_rows_are_paged_and_it_is_said_how_many_there_are(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=a_table(*([str(n), "ann", True, "x"] for n in range(150)), of=9_000))

    first = client.get(f"/console/jobs/{job}/rows").text
    second = client.get(f"/console/jobs/{job}/rows?after=100").text
    part = client.get(f"/console/jobs/{job}/rows/part").text

    assert "the first 150 of 9,000 rows" in first
    assert "Rows 1 to 100" in first
    assert f'rel="next" href="/console/jobs/{job}/rows?after=100"' in first
    assert "Rows 101 to 150" in second
    assert 'rel="next"' not in second
    assert "10 of 9,000 rows" in part
    assert "view the first 150" in part
    assert client.get(f"/console/jobs/{job}/rows?after=x").status_code == 200


def test_a_store_that_is_away_or_damaged_is_told_beside_the_files(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=a_table(["1", "ann", True, "x"]))
    (path,) = scratch.rglob(".rows.jsonl")
    path.write_bytes(b"x")

    part = client.get(f"/console/jobs/{job}/rows/part")

    assert part.status_code == 200
    assert "The first rows cannot be shown." in part.text


def test_who_may_not_look_is_shown_no_way_to(database_url: str, conn: Connection, scratch: Path) -> None:
    app = an_app(database_url, scratch, API_AUTH="keys")
    key = api_keys.create_key(conn, tenant="acme", name="ann", scopes=USUAL - {Scope.ROWS_READ})
    job = a_job(conn, tenant="acme", requester="ann", formats=["pdf"])
    kept(conn, job, scratch, rows=a_table(), picture=png(), file="calendar.pdf")
    with TestClient(app, base_url="http://localhost") as client:
        assert client.post("/console/sign-in", data={"key": key, "next": "/console"}).status_code == 200
        page = client.get(f"/console/jobs/{job}").text
        assert "calendar.pdf" in page
        assert "rows/part" not in page
        assert "page.png" not in page
        for path in ("rows", "rows/part", "page.png"):
            assert client.get(f"/console/jobs/{job}/{path}").status_code == 403
