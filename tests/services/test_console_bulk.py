"""Many jobs in the console: previewed, confirmed by number where they are many, carried out and watched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.console import bulk as console_bulk
from services.api.console.texts import texts
from services.relay.bulk import BulkActions
from tests.services.test_console import OTHER_SITE, looked_at
from tests.support.api_app import an_app
from tests.support.jobs import a_job, count, row


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def relay(engine: Engine) -> BulkActions:
    return BulkActions(engine, pause_s=0, most=2)


def counted(client: TestClient, action: str = "cancel", **filters: Any) -> str:
    answer = client.post("/console/bulk", data={"action": action, **filters})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_would_be_done_is_told_in_numbers_before_anything_is_done(
    client: TestClient, conn: Connection, relay: BulkActions, language: str
) -> None:
    jobs = [a_job(conn, tenant="default") for _ in range(3)]
    say, headers = texts(language), {"Accept-Language": language}
    listed = client.get("/console/jobs", headers=headers)
    assert say("bulk.offer.cancel") in listed.text
    place = counted(client, reportType="calendar", createdAfter="-24h")

    looked = client.get(place, headers=headers)

    assert looked.status_code == 200
    assert looked_at(looked.text).inline == []
    assert looked_at(looked.text).tags.count("h1") == 1
    for told in (
        say("bulk.exactly", count=3, number="3"), say("bulk.would.cancelled", count=3, number="3"),
        say("bulk.do.cancel", count=3, number="3"), say("bulk.status.DRY_RUN"), say("bulk.by_filter.createdAfter"),
    ):  # fmt: skip
        assert told in looked.text, told
    assert {row(conn, job_id).status for job_id in jobs} == {"PENDING"}

    assert client.post(f"{place}/run", data={"reason": "by mistake"}).headers["location"] == place
    assert relay.run_once() == 1
    part = client.get(f"{place}/part", headers=headers).text
    assert say("bulk.handled", count=2, number="2") in part
    assert "hx-get" in part
    assert relay.run_once() == 1
    done = client.get(place, headers=headers).text
    assert say("bulk.did.cancelled", number="3") in done
    assert "hx-get" not in done
    assert "by mistake" in done
    assert {row(conn, job_id).status for job_id in jobs} == {"CANCELLED"}
    assert say("bulk.title.cancel") in client.get("/console/bulk", headers=headers).text
    assert client.get("/console/jobs", params={"bulk": place.rpartition("/")[2]}).text.count('<tr id="job-') == 3


def test_of_many_the_number_is_typed(
    client: TestClient, conn: Connection, relay: BulkActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_bulk, "_TYPED_ABOVE", 1)
    for _ in range(2):
        a_job(conn, tenant="default")
    place = counted(client)
    for typed in ("", "3", "two"):
        refused = client.post(f"{place}/run", data={"typed": typed, "reason": "my reason"})
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.text
        assert "my reason" in refused.text
    assert relay.run_once() == 0
    assert client.post(f"{place}/run", data={"typed": " 2 "}).status_code == 303
    assert relay.run_once() == 1


def test_an_action_is_stopped_and_what_was_refused_says_why(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    for _ in range(3):
        a_job(conn, tenant="default")
    place = counted(client, "retry", status="PENDING")
    client.post(f"{place}/run", data={"proof": ""})
    relay.run_once()
    assert client.post(f"{place}/stop", data={"proof": ""}).status_code == 303
    told = client.get(place).text
    assert texts("en")("bulk.status.STOPPED") in told
    assert told.count(texts("en")("bulk.code.not_ended")) == 2
    assert relay.run_once() == 0


def test_what_cannot_be_meant_and_what_another_site_sends_is_refused(client: TestClient, conn: Connection) -> None:
    assert client.post("/console/bulk", data={"action": "destroy"}).status_code == 422
    assert client.post("/console/bulk", data={"action": "cancel", "status": "DONE"}).status_code == 422
    assert client.post("/console/bulk", data={"action": "cancel"}, headers=OTHER_SITE).status_code == 403
    assert count(conn, "bulk_actions") == 0
    place = counted(client)
    for path in ("run", "stop"):
        assert client.post(f"{place}/{path}", data={}, headers=OTHER_SITE).status_code == 403
    assert conn.execute(text("SELECT state FROM bulk_actions")).scalar_one() == "DRY_RUN"
    assert client.get("/console/bulk/x").status_code == 404
    assert texts("en")("bulk.nothing") in client.get(place).text
