"""`GET /v1/report-types/{name}/choices/{parameter}`: the source's values for the caller, limited, and
cached briefly.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.actions.kept_choices import KeptChoices
from shared.access import api_keys
from shared.catalog.choices import Choices
from shared.catalog.load import CatalogError, load_catalog
from tests.support.api_app import an_app, problem
from tests.support.jobs import count
from todoke.cli.commands_types import _described

_TOML = """
title = "Sales"
shared = true
[parameters.country]
type = "choice"
choices = ["JP", "PL"]
[parameters.city]
type = "choice"
[parameters.city.choices]
query = "SELECT city, name FROM cities WHERE (:country IS NULL OR country = :country) ORDER BY city -- all"
strict = true
[parameters.shops]
type = "list"
items = "string"
[parameters.shops.choices]
query = "SELECT shop FROM shops WHERE tenant = :tenant AND requester = coalesce(:requester, '') ORDER BY 1"
[parameters.number]
type = "string"
[parameters.number.choices]
query = "SELECT n FROM generate_series(1, 5000) AS n WHERE CAST(:since AS date) IS NOT NULL OR :since IS NULL"
[parameters.slow]
type = "string"
[parameters.slow.choices]
query = "SELECT pg_sleep(60)"
[parameters.broken]
type = "string"
[parameters.broken.choices]
query = "SELECT * FROM no_such_table"
[parameters.latest]
type = "date"
[parameters.latest.default]
query = "SELECT DATE '2026-01-31'"
[parameters.since]
type = "date"
default = "start_of_last_month"
"""
_QUERY = "SELECT :country, :city, :shops, :number, :slow, :broken, :since, :latest"


@pytest.fixture
def client(database_url: str, scratch: Path, tmp_path: Path) -> Iterator[TestClient]:
    folder = tmp_path / "catalog" / "sales"
    folder.mkdir(parents=True)
    (folder / "report.toml").write_text(_TOML)
    (folder / "query.sql").write_text(_QUERY)
    with psycopg.connect(database_url, autocommit=True) as source:
        source.execute("CREATE TABLE cities (country text, city text, name text)")
        source.execute("""INSERT INTO cities VALUES ('JP', 'TYO', '東京'), ('JP', 'OSA', '大阪'), ('PL', 'LCJ', NULL),
                                                    ('PL', 'WAW', 'Warszawa'), ('PL', NULL, 'nowhere')""")
        source.execute("CREATE TABLE shops (tenant text, requester text, shop text)")
        source.execute(
            "INSERT INTO shops VALUES ('default', '', 'ours'), ('acme', 'ann', 'anns'), ('acme', 'bob', 'b')"
        )
    app = an_app(database_url, scratch, CATALOG_PATH=str(tmp_path / "catalog"), REPORT_SOURCE_URL=database_url)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, parameter: str, **query: Any) -> Any:
    return client.get(f"/v1/report-types/sales/choices/{parameter}", params=query)


def values(client: TestClient, parameter: str, **query: Any) -> list[str]:
    answer = asked(client, parameter, **query)
    assert answer.status_code == 200, answer.text
    return [choice["value"] for choice in answer.json()["choices"]]


def test_choices_are_the_queries_and_depend_on_others(client: TestClient) -> None:
    assert asked(client, "city", given="country:PL").json() == {
        "choices": [{"value": "LCJ", "title": "LCJ"}, {"value": "WAW", "title": "Warszawa"}], "more": False,
    }  # fmt: skip
    assert values(client, "city") == ["LCJ", "OSA", "TYO", "WAW"]
    assert values(client, "country") == ["JP", "PL"]
    schema = client.get("/v1/report-types/sales").json()["parameters"]["properties"]
    assert schema["city"]["x-choices"] == {"dependsOn": ["country"], "strict": True}
    assert "enum" not in schema["city"]


def test_they_are_bounded_in_number_and_in_time(client: TestClient) -> None:
    body = asked(client, "number").json()
    assert (len(body["choices"]), body["more"]) == (1000, True)
    told = problem(asked(client, "slow"), 503, "choices_unavailable")
    assert told["retryable"] is True
    assert "57014" in told["detail"]
    assert "42P01" in problem(asked(client, "broken"), 503, "choices_unavailable")["detail"]


def test_they_are_kept_for_a_moment(client: TestClient, database_url: str) -> None:
    assert values(client, "city", given="country:PL") == ["LCJ", "WAW"]
    with psycopg.connect(database_url, autocommit=True) as source:
        source.execute("DELETE FROM cities WHERE city = 'LCJ'")
    assert values(client, "city", given="country:PL") == ["LCJ", "WAW"]
    assert values(client, "city", given="country:JP") == ["OSA", "TYO"]


def test_what_is_kept_is_bounded_in_number_and_in_time() -> None:
    now = [0.0]
    kept = KeptChoices(clock=lambda: now[0])
    for n in range(600):
        kept.keep(n, Choices([], more=False))
    assert kept.get(0) is None
    assert kept.get(599) is not None
    now[0] = 30.0
    assert kept.get(599) is None


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ({"given": "contry:JP"}, "given", "did you mean 'country'?"),
        ({"given": "city:TYO"}, "given", "is not a parameter that the choices depend on"),
        ({"given": "country:jp"}, "given.country", "is not one of the choices"),
        ({"timeZone": "Asia/Tokio"}, "timeZone", "did you mean 'Asia/Tokyo'?"),
        ({"country": "JP"}, "country", "is not a query parameter here"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(query: dict[str, str], field: str, told: str, client: TestClient) -> None:
    [violation] = problem(asked(client, "city", **query), 422, "invalid_request")["violations"]
    assert (violation["field"], told in violation["message"]) == (field, True), violation


def test_of_a_great_many_wrong_values_some_are_told(client: TestClient) -> None:
    path = f"/v1/report-types/sales/choices/city?{'&'.join(f'given=contr{n}:JP' for n in range(500))}"
    assert len(problem(client.get(path), 422, "invalid_request")["violations"]) == 20


def test_a_date_it_depends_on_may_be_in_words(client: TestClient) -> None:
    assert len(values(client, "number", given="since:today-1d", timeZone="Asia/Tokyo")) == 1000
    problem(asked(client, "number", given="since:tomorow"), 422, "invalid_request")


def test_what_has_no_choices_is_404(client: TestClient) -> None:
    problem(client.get("/v1/report-types/other/choices/city"), 404, "unknown_report_type")
    assert "did you mean 'city'?" in problem(asked(client, "citty"), 404, "no_choices")["detail"]
    problem(asked(client, "since"), 404, "no_choices")


def test_a_value_never_leaves_its_literal(client: TestClient, database_url: str) -> None:
    hostile = "'); DROP TABLE cities; --"
    problem(asked(client, "city", given=f"country:{hostile}"), 422, "invalid_request")
    answer = client.post("/v1/jobs", json={"reportType": "sales", "parameters": {"city": hostile}})
    problem(answer, 422, "invalid_request")
    with psycopg.connect(database_url) as source:
        assert source.execute("SELECT count(*) FROM cities").fetchone() == (5,)


def test_only_choices_will_do_where_the_type_is_strict(client: TestClient, conn: Connection) -> None:
    answer = client.post("/v1/jobs", json={"reportType": "sales", "parameters": {"city": "TYO", "country": "PL"}})
    [violation] = problem(answer, 422, "invalid_request")["violations"]
    assert violation["field"] == "parameters.city"
    assert "/v1/report-types/sales/choices/city" in violation["message"]
    assert count(conn, "jobs") == count(conn, "outbox") == 0
    for parameters in ({"city": "TYO", "country": "JP"}, {"shops": ["nobody's"]}, {}):
        assert client.post("/v1/jobs", json={"reportType": "sales", "parameters": parameters}).status_code == 202


def test_what_was_accepted_stays_so_while_the_source_of_choices_is_away(
    client: TestClient, conn: Connection, database_url: str
) -> None:
    asked: Any = {"json": {"reportType": "sales", "parameters": {"city": "TYO"}}, "headers": {"Idempotency-Key": "k"}}
    first = client.post("/v1/jobs", **asked)
    with psycopg.connect(database_url, autocommit=True) as source:
        source.execute("DROP TABLE cities")

    again = client.post("/v1/jobs", **asked)
    assert (again.status_code, again.json()["jobId"]) == (202, first.json()["jobId"])
    del asked["headers"]
    problem(client.post("/v1/jobs", **asked), 503, "choices_unavailable")


def test_each_sees_the_choices_of_its_own(
    database_url: str, scratch: Path, tmp_path: Path, client: TestClient, conn: Connection
) -> None:
    assert values(client, "shops") == ["ours"]
    app = an_app(
        database_url, scratch, CATALOG_PATH=str(tmp_path / "catalog"), REPORT_SOURCE_URL=database_url, API_AUTH="keys"
    )
    keys = {}
    for name, scopes in (("ann", ["jobs:create"]), ("bob", ["jobs:create"]), ("eve", ["jobs:read"])):
        keys[name] = api_keys.create_key(conn, tenant="acme", name=name, scopes=scopes)
    with TestClient(app, raise_server_exceptions=False) as closed:

        def of(name: str) -> Any:
            headers = {"Authorization": f"Bearer {keys[name]}"}
            return closed.get("/v1/report-types/sales/choices/shops", headers=headers)

        assert [c["value"] for c in of("ann").json()["choices"]] == ["anns"]
        assert [c["value"] for c in of("bob").json()["choices"]] == ["b"]
        problem(of("eve"), 403, "insufficient_scope")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("DELETE FROM cities", "begin with SELECT or WITH"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT :contry", "did you mean 'country'?"),
        ("SELECT :city", "whose choices it gives"),
        ("SELECT (1", "is never closed"),
        ("", "is empty"),
    ],
)
def test_a_wrong_query_is_refused_when_the_catalog_is_read(query: str, told: str, tmp_path: Path) -> None:
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "query.sql").write_text("SELECT :country, :city")
    (folder / "report.toml").write_text(
        'title = "S"\n[parameters.country]\ntype = "string"\n[parameters.city]\ntype = "choice"\n'
        f'[parameters.city.choices]\nquery = "{query}"\n'
    )
    with pytest.raises(CatalogError) as refused:
        load_catalog(tmp_path)
    assert any(told in one and "report.toml:7" in one for one in refused.value.problems), refused.value.problems


def test_a_schedule_is_held_to_the_choices_as_a_request_is(client: TestClient, conn: Connection) -> None:
    wanted = {"name": "n", "reportType": "sales", "cron": "0 7 * * *", "parameters": {"country": "JP", "city": "WAW"}}
    for path in ("/v1/schedules", "/v1/schedules:preview"):
        told = problem(client.post(path, json=wanted), 422, "invalid_request")
        assert [one["field"] for one in told["violations"]] == ["parameters.city"]
    assert count(conn, "schedules") == 0
    made = client.post("/v1/schedules", json={**wanted, "parameters": {"country": "JP", "city": "TYO"}})
    own = made.json()["links"]["self"]
    problem(client.patch(own, json={"parameters": {"country": "PL", "city": "TYO"}}), 422, "invalid_request")
    assert client.patch(own, json={"name": "m"}).json()["name"] == "m"
    form = client.get("/console/schedules/new/sales").text
    assert 'value="TYO"' in form


def test_the_form_and_the_schema_say_that_a_default_is_taken_from_the_data(client: TestClient) -> None:
    assert "Default: computed from the data when the report runs." in client.get("/console/new/sales").text
    schema = client.get("/v1/report-types/sales").json()["parameters"]["properties"]["latest"]
    assert schema["x-default"] == {"dependsOn": []}
    assert _described(schema)["default"] == "from the data"
    # Whoever accepts a job asks no source: the attempt does.
    job = client.post("/v1/jobs", json={"reportType": "sales", "parameters": {"city": "TYO"}}).json()["links"]["self"]
    assert client.get(job).json()["parameters"]["latest"] is None
