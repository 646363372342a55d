"""The stream of a job's page: for whoever may see the job, and as long as they are signed in."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.actions import streams
from services.api.auth import sessions
from shared.access import api_keys
from shared.access.scopes import USUAL, Scope
from tests.support.api_server import ApiServer, serving
from tests.support.jobs import a_job

_LIMIT_S = 60


@pytest.fixture
def api(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """Asks often who listens, and remembers nobody for long."""
    for module, name in ((streams, "HEARTBEAT_S"), (streams, "_CHECK_S"), (sessions, "_REMEMBER_S")):
        monkeypatch.setattr(module, name, 0.1)
    with serving(database_url, scratch, API_AUTH="keys") as server:
        yield server


@contextlib.contextmanager
def signed_in(api: ApiServer, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=_LIMIT_S) as client:
        assert client.post("/console/sign-in", data={"key": key}).status_code == 303
        yield client


def test_a_stream_is_for_whoever_may_see_the_job(api: ApiServer, conn: Connection) -> None:
    own = a_job(conn, tenant="acme", requester="ann")
    others = (a_job(conn, tenant="globex"), a_job(conn, tenant="acme", requester="bob"), uuid4())
    scopes = USUAL - {Scope.JOBS_READ_ALL}
    key = api_keys.create_key(conn, tenant="acme", name="ann", scopes=scopes)
    blind = api_keys.create_key(conn, tenant="acme", name="ann", scopes=scopes - {Scope.JOBS_READ})
    with signed_in(api, key) as ann, signed_in(api, blind) as nobody, httpx.Client(base_url=api.url) as stranger:
        for job_id in others:
            answer = ann.get(f"/console/jobs/{job_id}/stream")
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("text/html")
        assert nobody.get(f"/console/jobs/{own}/stream").status_code == 403
        assert stranger.get(f"/console/jobs/{own}/stream").status_code == 303
        with ann.stream("GET", f"/console/jobs/{own}/stream") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert any(str(own) in line for line in answer.iter_lines())


@pytest.mark.parametrize("how", ["signed out elsewhere", "key revoked"])
def test_a_stream_ends_with_what_opened_it(api: ApiServer, conn: Connection, how: str) -> None:
    job_id = a_job(conn, tenant="acme", requester="ann")
    with (
        signed_in(api, api_keys.create_key(conn, tenant="acme", name="ann", scopes=USUAL)) as ann,
        ann.stream("GET", f"/console/jobs/{job_id}/stream") as answer,
    ):
        lines = answer.iter_lines()
        assert any(str(job_id) in line for line in lines)
        if how == "signed out elsewhere":
            conn.execute(text("DELETE FROM console_sessions"))
        else:
            api_keys.revoke_keys(conn, tenant="acme", name="ann")
        rest = list(lines)  # until the server ends it

    assert "event: bye" in rest
