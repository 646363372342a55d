"""Pages of other sites in a browser on the machine of an API that asks nobody for a key."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from tests.support.api_app import an_app, problem
from tests.support.jobs import a_job

HOST = "127.0.0.1:8000"


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), base_url=f"http://{HOST}") as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, id="a browser of today"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"}, id="another port"),
        pytest.param({"Origin": "http://evil.example"}, id="an older browser"),
        pytest.param({"Origin": "null"}, id="a sandboxed frame"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"}, id="they contradict each other"),
    ],
)
def test_no_page_of_another_site_asks_for_a_report(client: TestClient, headers: Mapping[str, str]) -> None:
    problem(client.post("/generate-report", headers=headers), 403, "other_site")
    problem(client.post("/v1/dead-letters:drop", headers=headers, json={"all": True}), 403, "other_site")
    assert client.get("/v1/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HOST}"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://a-front-end.example"},  # which sends it on to us
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_pages_of_this_site_do(client: TestClient, headers: Mapping[str, str]) -> None:
    assert client.post("/generate-report", headers=headers).status_code == 202


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "a.b", "[::1"]
)
def test_a_name_that_a_stranger_may_have_led_here_reads_nothing(
    client: TestClient, conn: Connection, host: str
) -> None:
    job_id = a_job(conn)
    for path in ("/v1/jobs", f"/v1/jobs/{job_id}", "/console/jobs", "/openapi.json"):
        assert "evil" not in problem(client.get(path, headers={"Host": host}), 403, "other_site")["title"]


@pytest.mark.parametrize(
    "host", ["localhost:8000", "LOCALHOST", "localhost.", "todoke.localhost", "127.0.0.1", "[::1]:8000", "10.0.0.7",
             "api:8000"]
)  # fmt: skip
def test_own_names_and_addresses_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200


def test_who_is_let_in_by_the_settings_is(database_url: str, scratch: Path) -> None:
    settings = {"API_TRUSTED_PROXIES": "192.0.2.7", "API_CORS_ORIGINS": "https://app.example"}
    app = an_app(database_url, scratch, **settings)
    page = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
    with TestClient(app, base_url="https://reports.example", client=("192.0.2.7", 1)) as behind_the_proxy:
        assert behind_the_proxy.get("/v1/jobs").status_code == 200
        assert behind_the_proxy.post("/generate-report", headers=page).status_code == 202
        problem(
            behind_the_proxy.post("/generate-report", headers={"Origin": "https://evil.example"}), 403, "other_site"
        )


def test_an_api_on_a_network_of_friends_has_any_name_but_no_other_sites(database_url: str, scratch: Path) -> None:
    app = an_app(database_url, scratch, API_HOST="0.0.0.0", API_AUTH_NONE_IS_OK="yes")  # noqa: S104 - nothing listens
    with TestClient(app, base_url="http://reports.corp.example") as friend:
        assert friend.post("/generate-report").status_code == 202
        problem(friend.post("/generate-report", headers={"Origin": "https://evil.example"}), 403, "other_site")


def test_a_container_whose_port_is_published_on_the_loopback_answers_to_own_names(
    database_url: str, scratch: Path
) -> None:
    settings = {"API_HOST": "0.0.0.0", "API_AUTH_NONE_IS_OK": "published_on_loopback"}  # noqa: S104 - nothing listens
    with TestClient(an_app(database_url, scratch, **settings), base_url="http://localhost:8000") as client:
        assert client.get("/v1/jobs").status_code == 200
        assert client.get("/v1/jobs", headers={"Host": "api:8000"}).status_code == 200
        problem(client.get("/v1/jobs", headers={"Host": "evil.example"}), 403, "other_site")


def test_where_keys_are_asked_for_a_page_has_none_and_names_do_not_matter(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch, API_AUTH="keys"), base_url="http://reports.example") as client:
        answer = client.post("/generate-report", headers={"Sec-Fetch-Site": "cross-site"})
        problem(answer, 401, "unauthorized")
