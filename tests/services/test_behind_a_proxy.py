"""The API where a reverse proxy shows it under a path of its own."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from shared.errors import TodokeError
from tests.support.api_app import an_app, finished


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, API_ROOT_PATH="/reports")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("seen_by_the_api", ["", "/reports"], ids=["the proxy strips it", "the proxy leaves it"])
def test_every_address_leads_back_through_the_proxy(
    client: TestClient, conn: Connection, scratch: Path, seen_by_the_api: str
) -> None:
    def follow(url: str) -> str:
        assert url.startswith("/reports/v1/jobs/"), url
        return seen_by_the_api + url.removeprefix("/reports")

    answer = client.post(f"{seen_by_the_api}/v1/jobs")
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["links"]["self"]
    finished(conn, answer.json()["jobId"], scratch)
    job = client.get(follow(answer.headers["location"])).json()

    files = [*job["result"]["artifacts"], job["result"]["manifest"]]
    assert {client.get(follow(file["url"])).status_code for file in files if file} == {200}
    assert client.get(follow(job["links"]["events"])).status_code == 200
    assert client.post(follow(answer.json()["links"]["cancel"])).status_code == 409
    listed = client.get(f"{seen_by_the_api}/v1/jobs").json()["jobs"]
    assert [one["links"] for one in listed] == [job["links"]]


def test_the_description_names_the_path(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/reports"}]


def test_what_a_client_says_of_itself_changes_no_address(client: TestClient) -> None:
    spoofed = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Prefix": "/evil"}
    answer = client.post("/v1/jobs", headers={**spoofed, "Host": "evil"})

    assert not urlsplit(answer.headers["location"]).netloc
    assert "evil" not in answer.text + str(answer.headers) + client.get("/openapi.json", headers=spoofed).text


@pytest.mark.parametrize("wrong", ["reports", "/reports/", "//evil.example", "/a b", "https://x/reports"])
def test_a_path_that_is_none_is_refused_at_the_start(wrong: str, database_url: str, scratch: Path) -> None:
    with pytest.raises(TodokeError, match="API_ROOT_PATH"):
        an_app(database_url, scratch, API_ROOT_PATH=wrong)
