"""The API over a test's database, its problem documents, and a worker's part."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.engine import Connection

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from services.api.watch import Watcher
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore, artifact_key
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from tests.support.jobs import started

JSON = {"Content-Type": "application/json"}


def an_app(url: str, folder: Path, **settings: str) -> FastAPI:
    """Return the application whose files are in `folder`. Its connections are closed at the end of its lifespan."""
    environment = {"DATABASE_URL": url, "ARTIFACT_URL": folder.as_uri(), **settings}
    return create_app(assemble(ApiSettings.from_environment(environment)))


@contextlib.contextmanager
def all_places_taken(watcher: Watcher) -> Iterator[None]:
    """Within the block, the API has as many waiting requests as it allows."""
    with contextlib.ExitStack() as taken:
        while taken.enter_context(watcher.place()):
            pass
        yield


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["detail"]
    return body


def finished(
    conn: Connection,
    job_id: str,
    scratch: Path,
    content: bytes = b"day\n2026-01-01\n",
    store: ArtifactStore | None = None,
) -> None:
    """Do what a worker does: store a file, then make the transition."""
    import hashlib

    lease = started(conn, UUID(job_id)).lease
    source = scratch / "made"
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    key = artifact_key("default", lease.job_id, lease.token, "calendar.csv")
    (store or DiskStore(scratch)).put(key, source, media_type="text/csv", sha256=digest, metadata={})
    succeed(conn, [Success(lease, [Artifact("calendar.csv", "csv", "text/csv", len(content), digest, 1)], 0.5)])
