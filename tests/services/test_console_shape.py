"""The folded part of the console's form, and choices that a query gives."""

import html
from pathlib import Path
from uuid import UUID

import psycopg
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from tests.services.test_console import FORM, SAMPLE, looked_at
from tests.support.api_app import an_app
from tests.support.jobs import row

_SHAPE = {
    "s.timeZone": "Asia/Tokyo", "s.columns": ["flight_date", "airline"], "s.sort": "-flight_date", "s.limit": "10",
    "s.csv.delimiter": ";", "s.csv.decimalMark": ",", "s.csv.gzip": "true", "s.csv.encoding": "",
}  # fmt: skip
_OPTIONS = {
    "timeZone": "Asia/Tokyo", "columns": ["flight_date", "airline"], "sort": ["-flight_date"], "limit": 10,
    "csv": {"delimiter": ";", "decimalMark": ",", "gzip": True},
}  # fmt: skip


def test_the_shape_is_asked_for_and_asked_for_again(database_url: str, scratch: Path, conn: Connection) -> None:
    app = an_app(database_url, scratch, CATALOG_PATH=SAMPLE)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        plain = client.get("/console/new/flights-export").text
        assert '<details class="shape">' in plain
        assert looked_at(plain).inline == []
        answer = client.post("/console/new/flights-export", data={**FORM, **_SHAPE})
        assert answer.status_code == 303, answer.text
        job_id = UUID(answer.headers["location"].removeprefix("/console/jobs/"))
        assert row(conn, job_id).options == _OPTIONS

        again = client.get(f"/console/new/flights-export?from={job_id}").text
        assert '<details class="shape" open>' in again
        for shown in (
            'value="Asia/Tokyo"',
            'value="flight_date" checked',
            'value="-flight_date" selected',
            'value=";" selected',
        ):
            assert shown in again, shown

        wrong = client.post(
            "/console/new/flights-export", data={**FORM, "key": "k-2", "s.timeZone": "Asia/Tokio", "s.limit": "many"}
        )
        assert wrong.status_code == 422
        text = html.unescape(wrong.text)
        assert "did you mean 'Asia/Tokyo'?" in text
        assert 'href="#s.limit"' in text
        assert 'value="many"' in text
        assert (
            client.get("/console/new/flights-export", headers={"Accept-Language": "ja"}).text.count("タイムゾーン") == 1
        )


def test_choices_of_a_query_are_offered_and_depend_on_what_was_entered(
    database_url: str, scratch: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "catalog" / "sales"
    folder.mkdir(parents=True)
    (folder / "query.sql").write_text("SELECT :country, :city, :away")
    (folder / "report.toml").write_text("""
title = "Sales"
shared = true
[parameters.country]
type = "string"
[parameters.city]
type = "choice"
[parameters.city.choices]
query = "SELECT city, name FROM cities WHERE country = :country ORDER BY 1"
[parameters.away]
type = "string"
[parameters.away.choices]
query = "SELECT x FROM no_such_table"
""")
    with psycopg.connect(database_url, autocommit=True) as source:
        source.execute(
            "CREATE TABLE cities (country, city, name) AS VALUES ('JP', 'TYO', '<b>東京'), ('PL', 'WAW', 'W')"
        )
    app = an_app(database_url, scratch, CATALOG_PATH=str(tmp_path / "catalog"), REPORT_SOURCE_URL=database_url)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        page = client.get("/console/new/sales").text
        assert "東京" not in page
        assert 'id="p.away"' in page, "a query that fails leaves a field to type in"
        page = client.post("/console/new/sales", data={"p.country": "JP", "update": "1"}).text
        assert 'value="TYO"' in page
        assert "&lt;b&gt;東京" in page
        assert "WAW" not in page
