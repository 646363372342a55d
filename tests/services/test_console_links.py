"""Links to files in the console: made and shown once, listed and revoked."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from tests.support.api_app import an_app, finished
from tests.support.jobs import count


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def test_a_link_is_shown_once_and_revoked_where_it_is_listed(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch)
    page = f"/console/jobs/{job_id}/links"
    assert page in client.get(f"/console/jobs/{job_id}").text
    assert "No links to the files" in client.get(page).text
    asked = {"file": "calendar.csv", "days": "1", "most": "2", "key": "k"}
    wrong = client.post(page, data={**asked, "most": "many"})
    assert (wrong.status_code, count(conn, "shares")) == (422, 0)
    made, again = client.post(page, data=asked), client.post(page, data=asked)
    [url] = set(re.findall(r"/shared/[\w-]{43}", made.text))
    assert (made.status_code, client.get(url).status_code) == (201, 200)
    assert url not in again.text
    assert "shown then" in again.text
    listed = client.get(page).text
    assert url not in listed
    assert "1 / 2" in listed
    [revoke] = re.findall(r'action="([^"]+/revoke)"', listed)
    answer = client.post(revoke, data={"key": "r"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert client.get(url).status_code == 410
    assert client.post(page, data={**asked, "file": "other.csv", "key": "l"}).status_code == 404
    assert "共有リンク" in client.get(page, headers={"Accept-Language": "ja"}).text
