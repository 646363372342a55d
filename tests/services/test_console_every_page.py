"""What is true of every page and every part of one: what it reads over which connections, and who may do what there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from services.api.auth import sessions as cached
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL, Scope
from shared.database.statements import statement_name
from shared.jobs import finish
from shared.jobs.finish import Failure
from shared.schedules.schedule import Owner
from shared.webhooks.deliveries import ping
from tests.services.test_console import SAMPLE, looked_at
from tests.services.test_console_operator import ACTIONS, OF_SEVERAL_SCOPES, everything, signed_in
from tests.services.test_every_route import undescribed
from tests.support.api_app import an_app
from tests.support.jobs import a_job, count, started
from tests.support.kept_rows import kept, png, rows_file
from tests.support.postgres.roles import service_urls
from tests.support.schedules import a_schedule
from tests.support.webhooks import a_webhook, secret_keys

_MOST = 6
"""Statements that a page may ask, besides who looks."""
_WHO = ("sessions.", "api_keys.")
"""What is asked of who looks, over the API's own connections."""
_STREAMS = ("/console/jobs/{job_id}/stream",)
"""Has no end: tests/services/test_console_streams.py asks it."""
_FILES = ("/console/jobs/export", "/console/audit/export")
"""Are read page by page: tests/services/test_console_list.py bounds them."""
_OPEN = ("/console/sign-in", "/console/sign-in/with/{name}", "/console/signed-in", "/console/{rest:path}")
"""For everybody, or nothing."""


@pytest.fixture
def app(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """With the API's own rights in the database."""
    monkeypatch.setattr(cached, "_REMEMBER_S", 0)
    return an_app(service_urls(database_url)["api"], scratch, API_AUTH="keys", CATALOG_PATH=SAMPLE)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


def the_routes(app: FastAPI, method: str) -> list[str]:
    paths = {path for asked, path in undescribed(app) if asked == method and path.startswith("/console")}
    return sorted(paths - set(_STREAMS) - set(_OPEN))


class Scene(dict[str, str]):
    """What stands for the parts of paths."""

    def addresses(self, path: str) -> list[str]:
        """The page of each job that there is, with the queries that lead to more of it."""
        if path.startswith("/console/jobs/{job_id}/rows") or path.endswith((".png", "/files/{name}")):
            return [path.format(**self)]
        jobs = [self[name] for name in ("job_id", "waits", "runs", "failed")] if "{job_id}" in path else [""]
        actions = ("cancel", "retry", "delete", "keep") if path.startswith("/console/jobs") else ("pause", "delete")
        each = [path.format(**{**self, "job_id": job, "action": action}) for job in jobs for action in actions]
        return [f"{address}{query}" for address in dict.fromkeys(each) for query in self.queries(path)]

    def queries(self, path: str) -> tuple[str, ...]:
        """What may stand behind a path."""
        done = self["job_id"]
        rows = "&".join(f"row={self[name]}" for name in ("job_id", "waits", "runs", "failed"))
        return {
            "/console": ("", f"?deleted={self['deleted']}"),
            "/console/jobs": (
                "", f"?panel={self['runs']}", "?status=FAILED&errorCode=timeout", "?label=team:finance&size=100",
                "?requester=ann&createdAfter=-24h", f"?schedule={self['schedule_id']}", f"?bulk={self['bulk_id']}",
                "?q=nonsense",
            ),
            "/console/part/rows": (f"?kind=jobs&{rows}", f"?kind=reports&{rows}"),
            "/console/part/newer": (f"?kind=jobs&than={done}", f"?kind=jobs&than={done}&status=FAILED"),
            "/console/new/{name}": ("", f"?from={self['failed']}"),
            "/console/overview": ("", "?period=7d"),
            "/console/webhooks/{webhook_id}": ("", "?state=dead", "?state=none"),
        }.get(path, ("",))  # fmt: skip


@pytest.fixture
def scene(conn: Connection, client: TestClient, scratch: Path) -> Scene:
    """Something of everything, which ann may see; she is signed in with every scope."""
    of = {"tenant": "ops", "report_type": "flights-export", "requester": "ann", "formats": ["pdf"]}
    done, waits, runs, failed, deleted = (a_job(conn, **of) for _ in range(5))
    everything(conn)
    conn.execute(text("UPDATE workers SET seen_at = now() - interval '1 h'"))
    proof = signed_in(client, conn)
    kept(conn, done, scratch, rows=rows_file([["1"]], columns=[{"name": "n", "title": "", "type": "bigint"}]),
         picture=png(), file="calendar.pdf")  # fmt: skip
    started(conn, runs)
    finish.fail(conn, [Failure(started(conn, failed).lease, "timeout", "too long", retryable=False, delay_s=0)])
    key = api_keys.create_key(conn, tenant="ops", name="other", scopes=USUAL)
    webhook_id = a_webhook(conn, secret_keys(scratch), "https://example.com/", tenant="ops")
    delivery_id = ping(conn, webhook_id, "ops")
    schedule_id = a_schedule(conn, tenant="ops", owner=Owner("ann", None, None), report_type="flights-export")
    view = {"proof": proof, "name": "failed", "query": "status=FAILED"}
    assert client.post("/console/views", data=view).status_code == 303
    bulk = client.post("/console/bulk", data={"proof": proof, "action": "cancel", "status": "PENDING"})
    return Scene(
        proof=proof, job_id=str(done), waits=str(waits), runs=str(runs), failed=str(failed), deleted=str(deleted),
        name="flights-export", key_id=key.split("_")[2], schedule_id=str(schedule_id),
        webhook_id=str(webhook_id), delivery_id=str(delivery_id),
        bulk_id=bulk.headers["location"].rpartition("/")[2], action="",
    )  # fmt: skip


def test_a_page_reads_little_over_connections_of_its_own(client: TestClient, app: FastAPI, scene: Scene) -> None:
    asked: list[str] = []
    beside: list[str] = []
    wrong: list[object] = []
    parts = app.state.parts
    event.listen(parts.reading, "before_cursor_execute", lambda _c, _cur, sql, *_: asked.append(statement_name(sql)))
    event.listen(parts.engine, "before_cursor_execute", lambda _c, _cur, sql, *_: beside.append(statement_name(sql)))
    for path in set(the_routes(app, "GET")) - set(_FILES):
        for address in scene.addresses(path):
            asked.clear()
            beside.clear()
            answer = client.get(address.replace("/files/flights-export", "/files/calendar.pdf"))
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            if answer.status_code >= 500 or len(asked) > _MOST:
                wrong.append((address, answer.status_code, asked.copy()))
            wrong += [(address, name) for name in beside if not name.startswith(_WHO)]
            wrong += [(address, one) for one in (looked_at(answer.text).inline if is_page else [])]
            if is_page and "&lt;time" in answer.text:
                wrong.append((address, "shows a tag as a text"))

    assert wrong == []


NEEDS: Mapping[tuple[str, str], tuple[set[Scope], Mapping[str, str]]] = {
    ("GET", "/console"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/export"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/part/rows"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/part/newer"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/part"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/earlier"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/panel"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/files/{name}"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/rows"): ({Scope.JOBS_READ, Scope.ROWS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/rows/part"): ({Scope.JOBS_READ, Scope.ROWS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/page.png"): ({Scope.JOBS_READ, Scope.ROWS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/manifest"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/manifest/part"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/deliveries"): ({Scope.JOBS_READ, Scope.WEBHOOKS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/deliveries/part"): ({Scope.JOBS_READ, Scope.WEBHOOKS_READ}, {}),
    ("GET", "/console/jobs/{job_id}/audit"): ({Scope.JOBS_READ, Scope.AUDIT_READ}, {}),
    ("GET", "/console/jobs/{job_id}/audit/part"): ({Scope.JOBS_READ, Scope.AUDIT_READ}, {}),
    ("GET", "/console/jobs/{job_id}/{action}"): ({Scope.JOBS_READ, Scope.JOBS_CANCEL}, {}),
    ("POST", "/console/jobs/{job_id}/cancel"): ({Scope.JOBS_READ, Scope.JOBS_CANCEL}, {}),
    ("POST", "/console/jobs/{job_id}/retry"): ({Scope.JOBS_READ, Scope.JOBS_CREATE}, {"key": "again"}),
    ("POST", "/console/jobs/{job_id}/keep"): ({Scope.JOBS_READ, Scope.JOBS_CREATE}, {}),
    ("POST", "/console/jobs/{job_id}/delete"): ({Scope.JOBS_DELETE}, {}),
    ("GET", "/console/jobs/{job_id}/links"): ({Scope.JOBS_READ}, {}),
    ("POST", "/console/jobs/{job_id}/links"): ({Scope.JOBS_READ, Scope.JOBS_SHARE}, {"file": "calendar.csv"}),
    ("POST", "/console/jobs/{job_id}/links/{share_id}/revoke"): ({Scope.JOBS_SHARE}, {}),
    ("GET", "/console/new"): ({Scope.JOBS_CREATE}, {}),
    ("GET", "/console/new/{name}"): ({Scope.JOBS_CREATE}, {}),
    ("POST", "/console/new/{name}"): ({Scope.JOBS_CREATE}, {}),
    ("POST", "/console/new/{name}/estimate"): ({Scope.JOBS_CREATE}, {}),
    ("GET", "/console/report-types"): (set(), {}),
    ("GET", "/console/report-types/{name}"): (set(), {}),
    ("GET", "/console/bulk"): ({Scope.JOBS_READ}, {}),
    ("POST", "/console/bulk"): ({Scope.JOBS_READ, Scope.JOBS_CANCEL}, {"action": "cancel", "status": "PENDING"}),
    ("GET", "/console/bulk/{bulk_id}"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/bulk/{bulk_id}/part"): ({Scope.JOBS_READ}, {}),
    ("POST", "/console/bulk/{bulk_id}/run"): ({Scope.JOBS_READ, Scope.JOBS_CANCEL}, {}),
    ("POST", "/console/bulk/{bulk_id}/stop"): ({Scope.JOBS_READ, Scope.JOBS_CANCEL}, {}),
    ("POST", "/console/views"): ({Scope.JOBS_READ}, {"name": "x", "query": "status=FAILED"}),
    ("POST", "/console/views/{view_id}/delete"): ({Scope.JOBS_READ}, {}),
    ("GET", "/console/sessions"): (set(), {}),
    ("POST", "/console/sessions/end"): (set(), {"name": "none"}),
    ("POST", "/console/sign-out"): (set(), {}),
    ("POST", "/console/preferences"): (set(), {}),
}  # fmt: skip
"""Every page and action of the other part, the scopes that it asks for, and what is sent."""


def test_every_pair_of_scope_and_action_of_those_who_ask_is_as_the_table_says(
    client: TestClient, conn: Connection, app: FastAPI, scene: Scene
) -> None:
    changed = (
        "jobs WHERE cancel_requested_at IS NULL AND deleted_at IS NULL",
        "bulk_actions",
        "saved_views",
        "erasures",
        "shares",
    )
    there = {(method, path) for method in ("GET", "POST") for path in the_routes(app, method)}
    assert there == set(NEEDS) | set(ACTIONS) | OF_SEVERAL_SCOPES
    wrong: list[object] = []
    for lacking in [*sorted(OWN), None]:
        client.cookies.clear()
        proof = signed_in(client, conn, OWN - {lacking})
        for (method, path), (needed, fields) in NEEDS.items():
            if path.endswith("/sign-out"):
                continue
            before = [count(conn, table) for table in changed]
            address = path.format(
                **{**scene, "job_id": scene["runs"], "action": "cancel", "view_id": uuid4(), "share_id": uuid4()}
            )
            address += scene.queries(path)[0] if method == "GET" else ""
            data = {**fields, "proof": proof} if method == "POST" else None
            answer: Response = client.request(method, address, data=data)
            refused, meant = answer.status_code == 403, lacking in needed
            if refused is not meant or (refused and str(lacking) not in answer.text):
                wrong.append((lacking, method, path, answer.status_code))
            if refused and [count(conn, table) for table in changed] != before:
                wrong.append((lacking, method, path, "was refused, and done"))

    assert wrong == []
