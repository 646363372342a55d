"""Views of the list of jobs that people save: whose they are, what they may be, and where they lead."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.auth import sessions as cached
from shared.access import saved_views
from shared.access.saved_views import NewView, ViewPage
from shared.access.scopes import USUAL, Scope
from shared.ids import uuid7
from shared.jobs import erasure
from shared.jobs.erasure import DeleteOutcome
from shared.jobs.viewer import Viewer
from tests.services.test_console_sessions import SAMPLE, a_key, proof, sign_in
from tests.support.api_app import an_app, finished
from tests.support.jobs import a_job, count

ADMIN = USUAL | {Scope.ADMIN_WRITE}
FAILED = "createdAfter=-24h&status=FAILED"


@pytest.fixture
def client(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(cached, "_REMEMBER_S", 0)
    app = an_app(database_url, scratch, API_AUTH="keys", CATALOG_PATH=SAMPLE)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def as_(client: TestClient, conn: Connection, name: str, tenant: str = "acme", scopes: frozenset[str] = USUAL) -> None:
    client.cookies.clear()
    assert sign_in(client, a_key(conn, name, tenant, scopes)).status_code == 303


def send(client: TestClient, path: str, **fields: str) -> Response:
    page = client.get("/console/jobs").text
    answer: Response = client.post(f"/console{path}", data={"proof": proof(page), **fields})
    return answer


def save(client: TestClient, name: str = "Failures", query: str = FAILED, **fields: str) -> Response:
    return send(client, "/views", name=name, query=query, **fields)


def views(client: TestClient) -> dict[str, str]:
    """Where each view in the menu leads."""
    page = client.get("/console/jobs").text
    found = re.findall(r'<li><a href="([^"]*)"[^>]*>([^<]*)</a>', page.partition('class="sheet-menu"')[2])
    return {html.unescape(name): html.unescape(href) for href, name in found}


def id_of(conn: Connection, name: str) -> UUID:
    view_id: UUID = conn.execute(text("SELECT id FROM saved_views WHERE name = :name"), {"name": name}).scalar_one()
    return view_id


def trail(conn: Connection) -> list[str]:
    found = conn.execute(text("SELECT action FROM audit WHERE action LIKE 'views.%' ORDER BY at, id"))
    return list(found.scalars())


def test_a_view_is_saved_opened_and_deleted_and_the_trail_tells_of_it(client: TestClient, conn: Connection) -> None:
    as_(client, conn, "ann")
    saved = save(client, "  My   failures ", "status=FAILED&createdAfter=-24h&live=off&size=50&pageToken=x")
    assert saved.status_code == 303
    assert saved.headers["location"] == f"/console/jobs?{FAILED}&size=50&live=off&told=view_saved"
    assert "View saved." in client.get(saved.headers["location"]).text
    assert views(client) == {"My failures": f"/console/jobs?{FAILED}&size=50&live=off"}
    assert client.get(views(client)["My failures"]).status_code == 200

    gone = send(client, f"/views/{id_of(conn, 'My failures')}/delete", query=FAILED)

    assert gone.headers["location"] == f"/console/jobs?{FAILED}&told=view_deleted"
    assert views(client) == {}
    assert trail(conn) == ["views.save", "views.delete"]


def test_a_view_is_its_persons_and_a_shared_one_is_its_tenants(client: TestClient, conn: Connection) -> None:
    as_(client, conn, "ann")
    save(client, "mine")
    as_(client, conn, "boss", scopes=ADMIN)
    save(client, "ours", shared="yes")
    mine, ours = id_of(conn, "mine"), id_of(conn, "ours")

    as_(client, conn, "ben")
    assert list(views(client)) == ["ours"]
    assert send(client, f"/views/{mine}/delete").status_code == 404
    assert send(client, f"/views/{ours}/delete").status_code == 403
    assert save(client, "theirs", shared="yes").status_code == 403
    as_(client, conn, "boss", scopes=ADMIN)
    assert send(client, f"/views/{mine}/delete").status_code == 404, "not even for who may share"
    as_(client, conn, "ann", tenant="globex", scopes=ADMIN)
    assert views(client) == {}
    for view_id in (mine, ours):
        assert send(client, f"/views/{view_id}/delete").status_code == 404
    assert send(client, "/views/nonsense/delete").status_code == 404
    assert count(conn, "saved_views") == 2
    as_(client, conn, "boss", scopes=ADMIN)
    assert send(client, f"/views/{ours}/delete").status_code == 303
    assert trail(conn) == ["views.save", "views.save", "views.delete"]


def test_whoever_may_not_read_jobs_has_no_views(client: TestClient, conn: Connection) -> None:
    as_(client, conn, "ann")
    save(client)
    page, view_id = client.get("/console/jobs").text, id_of(conn, "Failures")
    conn.execute(text("UPDATE api_keys SET scopes = '{jobs:create}'"))
    for path in ("/views", f"/views/{view_id}/delete"):
        answer = client.post(f"/console{path}", data={"proof": proof(page), "name": "x", "query": FAILED})
        assert answer.status_code == 403
    assert count(conn, "saved_views") == 1


def test_what_cannot_be_a_view_is_refused_with_the_remedy(client: TestClient, conn: Connection) -> None:
    long = "&".join(f"label=team{n}:{'x' * 250}" for n in range(9))
    as_(client, conn, "ann")
    for name, query, told in (
        ("", FAILED, "give the view a name"),
        ("x" * 61, FAILED, "at most 60"),
        ("a\u202eb", FAILED, "invisible"),
        ("a\0b", FAILED, "invisible"),
        ("all", "", "filter the list first"),
        ("long", long, "remove filters"),
        ("elsewhere", "https://elsewhere.example", "filter the list first"),
        ("elsewhere", "next=//elsewhere.example", "is not a filter"),
        ("wrong", "status=DONE", "is not a state"),
        ("many", "&".join(["status=FAILED"] * 101), "filter the list first"),
    ):
        answer = save(client, name, query)
        assert answer.status_code == 422, answer.text
        assert told in html.unescape(answer.text), answer.text
    assert count(conn, "saved_views") == 0
    assert trail(conn) == []


def test_a_name_is_taken_once_by_each_owner(client: TestClient, conn: Connection) -> None:
    as_(client, conn, "boss", scopes=ADMIN)
    assert save(client, "x").status_code == 303
    assert save(client, "x", shared="yes").status_code == 303
    for fields in ({}, {"shared": "yes"}):
        again = save(client, "x", "status=SUCCESS", **fields)
        assert again.status_code == 409
        assert "delete that view first" in again.text
        assert 'value="status=SUCCESS"' in again.text
        assert 'aria-invalid="true"' in again.text
    assert count(conn, "saved_views") == 2


def test_there_are_only_so_many(client: TestClient, conn: Connection) -> None:
    for n in range(saved_views.MOST):
        assert saved_views.save(conn, NewView(uuid7(), "acme", "ann", ViewPage.JOBS, f"v{n}", "status=FAILED"))
    as_(client, conn, "ann")
    assert save(client).status_code == 409
    as_(client, conn, "ben")
    assert save(client).status_code == 303


def test_hostile_names_and_values_are_text(client: TestClient, conn: Connection) -> None:
    as_(client, conn, "ann")
    hostile = '"><script>alert(1)</script>'
    assert save(client, hostile, f"requester={hostile.replace('>', '%3E')}").status_code == 303
    page = client.get("/console/jobs").text
    assert "<script>alert" not in page
    [(name, href)] = views(client).items()
    assert name == hostile
    assert href.startswith("/console/jobs?requester=%22%3E%3Cscript")
    assert "<script>alert" not in client.get(href).text
    assert "<script>alert" not in save(client, hostile, FAILED).text, "on the form's own page neither"


def test_without_keys_every_view_is_for_everybody(database_url: str, scratch: Path, conn: Connection) -> None:
    app = an_app(database_url, scratch, CATALOG_PATH=SAMPLE)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        assert client.post("/console/views", data={"name": "all", "query": FAILED}).status_code == 303
        assert list(views(client)) == ["all"]
        other = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
        for path in ("/views", f"/views/{id_of(conn, 'all')}/delete"):
            sent = client.post(f"/console{path}", data={"name": "b", "query": FAILED}, headers=other)
            assert sent.status_code == 403
        assert list(views(client)) == ["all"]


def test_what_was_deleted_is_told_in_the_list_and_only_if_it_was(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    mine = a_job(conn, tenant="acme", requester="ann", report_type="flights-export")
    theirs = a_job(conn, tenant="globex", report_type="flights-export")
    for job_id in (mine, theirs):
        finished(conn, str(job_id), scratch)
    as_(client, conn, "ann")
    assert "data-told" not in client.get(f"/console?deleted={mine}").text, "it is there still"

    gone = send(client, f"/jobs/{mine}/delete")

    assert gone.headers["location"] == f"/console?deleted={mine}"
    page = client.get(gone.headers["location"]).text
    assert re.search(rf"data-told>.*Flights.*{mine}", page), page
    assert erasure.delete(conn, theirs, Viewer("globex")) is DeleteOutcome.DELETED
    for other in (theirs, uuid7()):
        assert "data-told" not in client.get(f"/console?deleted={other}").text
    as_(client, conn, "eve", scopes=USUAL - {Scope.JOBS_READ_ALL})
    assert "data-told" not in client.get(f"/console?deleted={mine}").text
    for path in ("?deleted=<b>hello</b>", "?told=view_saved", "/jobs?told=You+were+hacked"):
        answer = client.get(f"/console{path}")
        assert answer.status_code == 422
        assert "data-told" not in answer.text
        assert "<b>hello" not in answer.text


def test_a_list_is_filtered_by_schedule_and_by_the_beginning_of_an_id(client: TestClient, conn: Connection) -> None:
    jobs = [
        a_job(conn, tenant="acme", id=UUID(f"019acb2e-7c4{n}-7e02-9a51-0e5b1a6c7f10"), requester="ann")
        for n in range(3)
    ]
    as_(client, conn, "ann")

    def listed(query: str) -> set[str]:
        answer = client.get(f"/console/jobs?{query}")
        assert answer.status_code == 200, answer.text
        return set(re.findall(r'data-job="([^"]*)"', answer.text))

    assert listed("id=019acb2e") == {str(job) for job in jobs}
    assert listed("id=019ACB2E-7c41") == listed("id=019acb2e7c41") == {str(jobs[1])}
    assert listed(f"id={jobs[2]}") == {str(jobs[2])}
    assert listed("id=019acb2f") == listed("id=0000") == listed("id=ffff") == set()
    assert listed(f"schedule={uuid7()}") == set()
    for word, query in (("019acb2e-7c41", "id=019acb2e-7c41"), (f"schedule:{jobs[0]}", f"schedule={jobs[0]}")):
        answer = client.get("/console/jobs", params={"q": word})
        assert answer.headers["location"] == f"/console/jobs?{query}"
    for wrong in ("id=zzzz", "id=019", "id=019acb2e-", "schedule=x", "live=maybe", "id=" + "0" * 33):
        answer = client.get(f"/console/jobs?{wrong}")
        assert answer.status_code == 422
        assert 'class="bad"' in answer.text
