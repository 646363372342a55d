"""What the console knows of a job besides the job: its manifest, what webhooks were told of it, and who changed it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.actions import manifests
from shared.access import api_keys, audit
from shared.access.audit import Action, Actor
from shared.access.scopes import OWN, USUAL, Scope
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import artifact_key
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from shared.reports import manifest as written
from tests.services.test_console import looked_at
from tests.support.api_app import an_app
from tests.support.jobs import a_job, started
from tests.support.webhooks import a_webhook, secret_keys

HOSTILE = "</td><script>alert(1)</script>"
SAID = {
    "source": {
        "name": HOSTILE, "snapshot": {"id": "731:731:", "takenAt": "2026-01-31T08:00:00.5Z"}, "rows": 12_345,
        "queries": {"by_month": 12},
    },
    "columnsLeftOut": ["salary"],
    "tools": {"python": "3.13.1", "duckdb": "1.4.0"},
}  # fmt: skip


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(
        app, base_url="http://localhost", raise_server_exceptions=False, follow_redirects=False
    ) as client:  # fmt: skip
        yield client


def signed_in(client: TestClient, conn: Connection, scopes: frozenset[str] = OWN, tenant: str = "acme") -> None:
    client.cookies.clear()
    key = api_keys.create_key(conn, tenant=tenant, name="ann", scopes=scopes)
    assert client.post("/console/sign-in", data={"key": key}).status_code == 303


def done(conn: Connection, scratch: Path, said: object, *, signature: object = None) -> UUID:
    """A job whose files have this manifest."""
    job_id: UUID = a_job(conn, formats=["csv"], requester="ann")
    lease = started(conn, job_id).lease
    content = json.dumps({"manifest": said, "signature": signature}).encode()
    source, sha256 = scratch / "made", hashlib.sha256(content).hexdigest()
    source.write_bytes(content)
    key = artifact_key("acme", job_id, lease.token, written.NAME)
    DiskStore(scratch).put(key, source, media_type="application/json", sha256=sha256, metadata={})
    file = Artifact(written.NAME, "manifest", "application/json", len(content), sha256, 0)
    assert succeed(conn, [Success(lease, [file], 0.5)])
    return job_id


def told(conn: Connection, webhook_id: UUID, job_id: UUID, state: str, status: int | None, error: str | None) -> UUID:
    """A delivery about the job, in that state."""
    event = conn.execute(
        text("INSERT INTO webhook_events (tenant, type, job_id, spread_at) VALUES ('acme', :type, :job, now()) "
             "RETURNING id"),
        {"type": {"waiting": "job.expired"}.get(state, "job.failed"), "job": job_id},
    ).scalar_one()  # fmt: skip
    made: UUID = conn.execute(
        text("INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body, state, attempts, last_status, "
             "last_error, ended_at) VALUES (:webhook, :event, 'acme', '', :state, 7, :status, :error, "
             "CASE WHEN :state <> 'waiting' THEN now() END) RETURNING id"),
        {"webhook": webhook_id, "event": event, "state": state, "status": status, "error": error},
    ).scalar_one()  # fmt: skip
    return made


def test_the_page_fetches_what_its_reader_may_read(client: TestClient, conn: Connection, scratch: Path) -> None:
    job = done(conn, scratch, SAID)
    waits = a_job(conn, formats=["csv"], requester="ann")
    for scopes, parts in (
        (OWN, ("manifest", "deliveries", "audit")),
        (USUAL, ("manifest",)),
        (USUAL | {Scope.WEBHOOKS_READ}, ("manifest", "deliveries")),
        (USUAL | {Scope.AUDIT_READ}, ("manifest", "audit")),
    ):
        signed_in(client, conn, frozenset(map(str, scopes)))
        for job_id in (job, waits):
            page = client.get(f"/console/jobs/{job_id}").text
            for part in ("manifest", "deliveries", "audit"):
                assert (f"/jobs/{job_id}/{part}/part" in page) is (part in parts), (scopes, part)


def test_the_manifest_is_told_as_facts(client: TestClient, conn: Connection, scratch: Path) -> None:
    assert manifests.NAME == written.NAME
    signed_in(client, conn)
    job = done(conn, scratch, SAID, signature={"keyId": "0123456789abcdef"})

    for language, about in (("en", "Signed with key"), ("ja", "署名した鍵")):
        for path in ("manifest/part", "manifest"):
            answer = client.get(f"/console/jobs/{job}/{path}", headers={"Accept-Language": language})
            page, found = answer.text, looked_at(answer.text)
            assert found.inline == []
            assert "&lt;script&gt;alert(1)" in page
            for fact in ("731:731:", "12,345", "by_month: 12", "salary", "duckdb 1.4.0", "0123456789abcdef", about):
                assert fact in page, fact
            assert 'datetime="2026-01-31T08:00:00.500000+00:00"' in page
            assert f'href="/console/jobs/{job}/files/manifest.json" download' in page
            assert found.tags.count("h1") == (path == "manifest")


def test_a_manifest_that_cannot_be_read_is_told_and_one_that_is_not_there_adds_nothing(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    signed_in(client, conn)
    odd = done(conn, scratch, {"source": []})
    unsigned = done(conn, scratch, SAID)
    waits = a_job(conn, formats=["csv"], requester="ann")

    assert "cannot be shown" in client.get(f"/console/jobs/{odd}/manifest/part").text
    assert "Not signed" in client.get(f"/console/jobs/{unsigned}/manifest/part").text
    assert client.get(f"/console/jobs/{waits}/manifest/part").status_code == 204
    assert client.get(f"/console/jobs/{waits}/manifest").status_code == 409


def test_what_webhooks_were_told_is_told_and_asked_for_again_while_something_waits(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    signed_in(client, conn)
    job, other = a_job(conn, requester="ann"), a_job(conn, requester="ann")
    webhook_id = a_webhook(conn, secret_keys(scratch), "https://example.com/")
    gone = a_webhook(conn, secret_keys(scratch), "https://example.com/gone")
    dead = told(conn, webhook_id, job, "dead", 503, None)
    theirs = told(conn, webhook_id, other, "dead", 503, None)
    part = f"/console/jobs/{job}/deliveries/part"

    page = client.get(part).text
    assert f'href="/console/webhooks/{webhook_id}/deliveries/{dead}"' in page
    assert "<code>503</code>" in page
    assert "<span>example.com</span>" in page
    assert str(theirs) not in page
    assert "hx-get" not in page
    waiting = told(conn, gone, job, "waiting", None, "timeout")
    page = client.get(part).text
    assert f'hx-get="{part}" hx-trigger="every 10s, wake"' in page
    assert "timed out" in page
    conn.execute(text("UPDATE webhooks SET deleted_at = now(), disabled_at = now(), disabled_because = 'asked' "
                      "WHERE id = :id"), {"id": gone})  # fmt: skip
    assert str(waiting) not in client.get(part).text, "its page is gone with its webhook"
    assert "job.failed" in client.get(f"/console/jobs/{job}/deliveries", headers={"Accept-Language": "ja"}).text


def test_who_changed_the_job_is_told(client: TestClient, conn: Connection) -> None:
    signed_in(client, conn)
    job, quiet = a_job(conn, requester="ann"), a_job(conn, requester="ann")
    audit.record(conn, Actor("acme", HOSTILE, address="10.0.0.9"), Action.JOBS_CANCEL, f"jobs/{job}", after={"a": "b"})

    page = client.get(f"/console/jobs/{job}/audit/part").text

    assert "jobs.cancel" in page
    assert "10.0.0.9" in page
    assert "a: b" in page
    assert "&lt;script&gt;" in page
    assert looked_at(page).inline == []
    assert f'href="/console/audit?object=jobs/{job}"' in page
    assert "<table" not in client.get(f"/console/jobs/{quiet}/audit/part").text
    assert "Nobody has changed this job" in client.get(f"/console/jobs/{quiet}/audit").text


def test_another_tenants_job_has_no_records(client: TestClient, conn: Connection, scratch: Path) -> None:
    job = done(conn, scratch, SAID)
    told(conn, a_webhook(conn, secret_keys(scratch), "https://example.com/"), job, "dead", 503, None)
    signed_in(client, conn, tenant="globex")

    for part in ("manifest", "deliveries", "audit"):
        for path in (part, f"{part}/part"):
            assert client.get(f"/console/jobs/{job}/{path}").status_code == 404, path
