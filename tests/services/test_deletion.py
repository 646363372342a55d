"""A job that a client deletes is blank and hidden at once, and its files go, whoever dies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from services.relay.erasures import Erasures
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStoreUnavailable, StoredObject
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from shared.jobs import finish, lease
from shared.jobs.artifacts import Artifact
from shared.jobs.finish import Failure
from shared.jobs.lease import Lease
from shared.jobs.succeed import Success, succeed
from tests.services.test_retention import files, store_file
from tests.support.api_app import an_app, problem
from tests.support.jobs import count, expire_lease, row, started
from tests.support.promises import broken

SECRET = "2026-02-01"
ASKED = {"reportType": "calendar", "parameters": {"from": SECRET, "to": SECRET}, "fileName": "Ann Smith",
         "keepFilesSeconds": 7_777_777, "labels": {"who": "Ann"}}  # fmt: skip


@pytest.fixture
def store(scratch: Path) -> DiskStore:
    return DiskStore(scratch / "store")


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def plain(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, application_name="relay", pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def erasures(plain: Engine, store: DiskStore) -> Erasures:
    return Erasures(plain, store)


def submitted(client: TestClient, **more: Any) -> UUID:
    answer = client.post("/v1/jobs", json=ASKED, **more)
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["jobId"])


def succeeded(conn: Connection, store: DiskStore, folder: Path, held: Lease) -> None:
    """The attempt ends with its file in the store, under the name that was asked for."""
    held = Lease(held.job_id, held.token)
    store_file(_Default(store), folder, held, "Ann Smith.csv")  # type: ignore[arg-type]
    file = Artifact("Ann Smith.csv", "csv", "text/csv", 4, "0" * 64, 1)
    warnings = [{"code": "x", "file": "Ann Smith.csv", "message": SECRET, "hint": "", "characters": []}]
    succeed(conn, [Success(held, [file], 0.1, warnings=warnings)])


class _Default:
    """The store, with the tenant of an API without keys."""

    def __init__(self, store: DiskStore) -> None:
        self._store = store

    def put(self, key: str, *args: Any, **more: Any) -> StoredObject:
        return self._store.put(key.replace("/acme/", "/default/"), *args, **more)


def a_success(client: TestClient, conn: Connection, store: DiskStore, folder: Path) -> UUID:
    job_id = submitted(client)
    conn.execute(text("DELETE FROM outbox"))
    succeeded(conn, store, folder, started(conn, job_id).lease)
    return job_id


def everything_of(conn: Connection, job_id: UUID) -> str:
    """All that the database holds of the job, as text."""
    found = [str(row(conn, job_id))]
    for table in ("job_transitions", "artifacts", "idempotency_keys", "erasures"):
        found += map(str, conn.execute(text(f"SELECT * FROM {table} WHERE job_id = :id"), {"id": job_id}))
    return "\n".join(found)


def test_a_deleted_job_is_hidden_blank_and_its_files_go(
    client: TestClient, conn: Connection, store: DiskStore, scratch: Path, erasures: Erasures
) -> None:
    job_id = a_success(client, conn, store, scratch)
    lost = store.put(f"reports/default/{job_id}/{uuid4()}/lost.csv", scratch / "made", media_type="text/csv",
                     sha256=row_sha(conn, job_id), metadata={})  # fmt: skip
    other = a_success(client, conn, store, scratch)
    assert SECRET in everything_of(conn, job_id)

    deleted = client.delete(f"/v1/jobs/{job_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for path in ("", "/events", "/why", "/stream", "/artifacts/Ann%20Smith.csv"):
        told = problem(client.get(f"/v1/jobs/{job_id}{path}"), 410, "job_deleted")
        assert "Submit the report again" in told["detail"]
    for verb in ("retry", "cancel"):
        problem(client.post(f"/v1/jobs/{job_id}:{verb}"), 410, "job_deleted")
    assert [job["jobId"] for job in client.get("/v1/jobs").json()["jobs"]] == [str(other)]
    assert (row(conn, job_id).status, row(conn, job_id).deleted_at is None) == ("SUCCESS", False)
    assert broken(conn, at_rest=False) == {}
    assert lost.key in files(store)

    assert erasures.run_once() == 1
    assert [key for key in files(store) if str(job_id) in key] == []
    assert len(files(store)) == 1
    left = everything_of(conn, job_id)
    assert SECRET not in left
    assert "Ann" not in left
    assert "7777777" in left  # how long the tombstone is kept
    assert broken(conn) == {}
    assert erasures.run_once() == 0


def row_sha(conn: Connection, job_id: UUID) -> str:
    import hashlib

    return hashlib.sha256(b"day\n").hexdigest()


def test_deleting_twice_is_harmless_and_an_unknown_job_is_unknown(
    client: TestClient, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    job_id = a_success(client, conn, store, scratch)
    assert [client.delete(f"/v1/jobs/{job_id}").status_code for _ in range(2)] == [204, 204]
    assert count(conn, "erasures") == 1
    problem(client.delete(f"/v1/jobs/{uuid4()}"), 404, "unknown_job")
    audited = conn.execute(text("SELECT action, object FROM audit")).all()
    assert [tuple(entry) for entry in audited] == [("jobs.delete", f"jobs/{job_id}")]


def test_a_failed_job_keeps_its_code_and_loses_its_words(client: TestClient, conn: Connection) -> None:
    job_id = submitted(client)
    finish.fail(conn, [Failure(started(conn, job_id).lease, "boom", SECRET, retryable=False, delay_s=0, hint=SECRET)])
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert row(conn, job_id).error == {"code": "boom", "message": "", "retryable": False, "hint": ""}


def test_an_answer_without_files_goes_too(client: TestClient, conn: Connection) -> None:
    job_id = submitted(client)
    conn.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    conn.execute(text("UPDATE jobs SET formats = '{}'"))
    conn.execute(text("ALTER TABLE jobs ENABLE TRIGGER USER"))
    succeed(conn, [Success(started(conn, job_id).lease, (), 0.1, answer={"name": SECRET})])
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert row(conn, job_id).result == {"answer": None}
    assert broken(conn, at_rest=False) == {}


def test_what_goes_on_is_deleted_only_if_it_may_be_ended(client: TestClient, conn: Connection) -> None:
    waiting, running = submitted(client), submitted(client)
    started(conn, running)
    for job_id in (waiting, running):
        told = problem(client.delete(f"/v1/jobs/{job_id}"), 409, "not_ended")
        assert (told["retryable"], "?cancel=true" in told["detail"]) == (True, True)
        assert row(conn, job_id).cancel_requested_at is None
        assert client.delete(f"/v1/jobs/{job_id}?cancel=true").status_code == 204
        problem(client.get(f"/v1/jobs/{job_id}"), 410, "job_deleted")
        assert row(conn, job_id).parameters == {}
    assert (row(conn, waiting).status, row(conn, running).status) == ("CANCELLED", "PROCESSING")
    problem(client.delete(f"/v1/jobs/{waiting}?cancel=perhaps"), 422, "invalid_request")


@pytest.mark.parametrize("end", ["succeed", "fail", "cancel", "lost"])
def test_whatever_a_worker_still_makes_of_it_is_removed(
    end: str, client: TestClient, conn: Connection, store: DiskStore, scratch: Path, erasures: Erasures
) -> None:
    job_id = submitted(client)
    conn.execute(text("DELETE FROM outbox"))
    held = started(conn, job_id).lease
    assert client.delete(f"/v1/jobs/{job_id}?cancel=true").status_code == 204
    assert erasures.run_once() == 0
    assert count(conn, "erasures") == 1
    match end:
        case "succeed":
            succeeded(conn, store, scratch, held)
        case "fail":
            finish.fail(conn, [Failure(held, "boom", SECRET, retryable=False, delay_s=0)])
        case "cancel":
            finish.cancel_held(conn, [held])
        case _:
            from shared.jobs import sweep

            expire_lease(conn, job_id)
            assert lease.start(conn, [job_id], worker="w2", lease_s=60).started == []
            sweep.expire(conn)
    assert row(conn, job_id).finished_at is not None
    problem(client.get(f"/v1/jobs/{job_id}/artifacts/Ann%20Smith.csv"), 410, "job_deleted")

    conn.execute(text("UPDATE erasures SET due_at = clock_timestamp()"))
    assert erasures.run_once() == 1
    assert files(store) == []
    assert SECRET not in everything_of(conn, job_id)
    assert broken(conn) == {}


def test_a_key_stands_for_its_job_even_when_that_is_deleted(client: TestClient, conn: Connection) -> None:
    headers = {"Idempotency-Key": "k"}
    job_id = submitted(client, headers=headers)
    assert client.delete(f"/v1/jobs/{job_id}?cancel=true").status_code == 204
    again = client.post("/v1/jobs", json=ASKED, headers=headers)
    assert (again.json()["jobId"], again.headers["idempotent-replayed"]) == (str(job_id), "true")


def test_the_version_that_was_seen_is_the_one_that_is_deleted(client: TestClient, conn: Connection) -> None:
    job_id = submitted(client)
    seen = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    started(conn, job_id)
    told = problem(
        client.delete(f"/v1/jobs/{job_id}?cancel=true", headers={"If-Match": seen}), 412, "precondition_failed"
    )
    assert "Read it again" in told["detail"]
    assert row(conn, job_id).cancel_requested_at is None
    seen = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    assert client.delete(f"/v1/jobs/{job_id}?cancel=true", headers={"If-Match": seen}).status_code == 204


def test_a_store_that_is_away_keeps_the_erasure(
    client: TestClient, conn: Connection, store: DiskStore, scratch: Path, plain: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job_id = a_success(client, conn, store, scratch)
    client.delete(f"/v1/jobs/{job_id}")
    erasures = Erasures(plain, store)
    for method in ("list", "delete"):
        with monkeypatch.context() as broken_store:

            def away(*_: object) -> None:
                raise ArtifactStoreUnavailable("away")

            broken_store.setattr(DiskStore, method, away)
            assert erasures.run_once() == 0
            assert count(conn, "erasures") == 1
            conn.execute(text("UPDATE erasures SET due_at = clock_timestamp()"))
    assert (erasures.run_once(), files(store), count(conn, "artifacts")) == (1, [], 0)


def test_a_store_that_is_away_is_asked_once_in_a_pass(
    client: TestClient, conn: Connection, store: DiskStore, scratch: Path, plain: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each answer may take a while, and the transaction that has the rows may not."""
    for _ in range(3):
        client.delete(f"/v1/jobs/{a_success(client, conn, store, scratch)}")
    asked: list[str] = []

    def away(_: DiskStore, prefix: str) -> None:
        asked.append(prefix)
        raise ArtifactStoreUnavailable("away")

    monkeypatch.setattr(DiskStore, "list", away)
    assert (Erasures(plain, store).run_once(), len(asked)) == (0, 1)
    assert set(conn.execute(text("SELECT attempts FROM erasures")).scalars()) == {1}


def test_a_death_at_any_statement_loses_no_erasure(
    client: TestClient, conn: Connection, store: DiskStore, scratch: Path, plain: Engine
) -> None:
    class Dies(Exception):
        pass

    fatal = {"erasures.claim", "artifacts.drop", "jobs.blank", "erasures.done", "erasures.later"}
    for name in sorted(fatal):
        job_id = a_success(client, conn, store, scratch)
        client.delete(f"/v1/jobs/{job_id}")

        def die(_c: object, _cursor: object, sql: str, *_: object, name: str = name) -> None:
            if statement_name(sql) == name:
                raise Dies

        event.listen(plain, "after_cursor_execute", die)
        try:
            Erasures(plain, store).run_once()
        except Dies:
            assert count(conn, "erasures") == 1
        finally:
            event.remove(plain, "after_cursor_execute", die)
        assert broken(conn, at_rest=False) == {}
        Erasures(plain, store).run_once()
        assert (files(store), count(conn, "erasures")) == ([], 0), name
        assert broken(conn) == {}


@pytest.mark.parametrize(
    "change",
    [
        "parameters = '{}'", "options = NULL", "file_name = NULL", "file_name = '../x'",
        "deleted_at = clock_timestamp(), version = version + 1, parameters = '{\"a\": 1}'",
        "deleted_at = clock_timestamp(), parameters = '{}', options = NULL, file_name = NULL",
        "deleted_at = clock_timestamp(), version = version + 1, result = '{\"a\": 1}'",
        "deleted_at = clock_timestamp(), version = version + 1, finished_at = clock_timestamp()",
        "deleted_at = clock_timestamp(), version = version + 1, error = '{\"code\": \"x\"}'",
        "result = '{}'",
    ],
)  # fmt: skip
def test_the_database_lets_a_deletion_blank_and_nothing_else(
    change: str, client: TestClient, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    job_id = a_success(client, conn, store, scratch)
    with pytest.raises(IntegrityError):
        conn.execute(text(f"UPDATE jobs SET {change} WHERE id = :id"), {"id": job_id})


def test_a_deletion_is_for_good(client: TestClient, conn: Connection, store: DiskStore, scratch: Path) -> None:
    job_id = a_success(client, conn, store, scratch)
    client.delete(f"/v1/jobs/{job_id}")
    with pytest.raises(IntegrityError):
        conn.execute(text("UPDATE jobs SET deleted_at = NULL"))
    waiting = submitted(client)
    with pytest.raises(IntegrityError, match="jobs_deleted_only"):
        conn.execute(text("UPDATE jobs SET deleted_at = clock_timestamp(), version = version + 1, parameters = '{}', "
                          "options = NULL, file_name = NULL WHERE id = :id"), {"id": waiting})  # fmt: skip


def test_pages_of_a_list_with_deleted_jobs_go_on_to_the_end(client: TestClient, conn: Connection) -> None:
    jobs = [submitted(client) for _ in range(9)]
    for job_id in (*jobs[1:6], jobs[8]):
        client.delete(f"/v1/jobs/{job_id}?cancel=true")
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        page = client.get("/v1/jobs?pageSize=2" + (f"&pageToken={token}" if token else "")).json()
        seen += [job["jobId"] for job in page["jobs"]]
        token, pages = page["nextPageToken"], pages + 1
    assert seen == [str(jobs[n]) for n in (7, 6, 0)]
