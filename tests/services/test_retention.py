"""What is deleted when its time is over, in what order, and that a crash at any step does no harm."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from deploy.local.emulator import REGION
from services.relay import metrics
from services.relay.assembly import assemble
from services.relay.orphans import OrphanSweep
from services.relay.retention import Retention
from services.relay.settings import RelaySettings
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable, StoredObject, artifact_key
from shared.artifacts.open import open_store
from shared.database.engine import create_engine, transactional
from shared.database.statements import statement_name
from shared.ids import uuid7
from shared.jobs import listing, measurements, read, retention
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.finish import Failure, fail
from shared.jobs.lease import Lease
from shared.jobs.measurements import Subject
from shared.jobs.submission import Accepted
from shared.jobs.submit import remember, submit
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from shared.jobs.walk import START
from tests.support.jobs import a_job, a_submission, count, expire_lease, started
from tests.support.promises import broken

DAY_S = 86_400


@pytest.fixture
def store(scratch: Path) -> DiskStore:
    return DiskStore(scratch / "store")


def store_file(store: ArtifactStore, folder: Path, lease: Lease, name: str = "calendar.csv") -> str:
    made = folder / "made"
    made.write_bytes(b"day\n")
    key = artifact_key("acme", lease.job_id, lease.token, name)
    sha256 = hashlib.sha256(b"day\n").hexdigest()
    store.put(key, made, media_type="text/csv", sha256=sha256, metadata={})
    return key


def a_success(conn: Connection, store: ArtifactStore, folder: Path, **changes: Any) -> UUID:
    """A job that made its file."""
    lease = started(conn, a_job(conn, **changes)).lease
    store_file(store, folder, lease)
    succeed(conn, [Success(lease, [Artifact("calendar.csv", "csv", "text/csv", 4, "0" * 64, 1)], 0.1)])
    conn.execute(text("DELETE FROM outbox"))  # its doorbell rang long ago
    return lease.job_id


def pass_time(conn: Connection, what: str = "keep_artifacts_s = 0, keep_s = 0") -> None:
    """Time passes until everything that was promised has been kept long enough."""
    conn.execute(text(f"UPDATE jobs SET {what}"))
    conn.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '30 days'"))


def files(store: ArtifactStore) -> list[str]:
    return [o.key for o in store.list("")]


def until_done(pass_: Callable[[], int]) -> int:
    removed = 0
    while now := pass_():
        removed += now
    return removed


@pytest.fixture
def plain(database_url: str) -> Iterator[Engine]:
    """As the relay has it."""
    engine = create_engine(database_url, application_name="relay", pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def a_retention(plain: Engine, store: DiskStore) -> Retention:
    return Retention(plain, store, keep_keys_s=DAY_S)


def test_nothing_leaves_before_its_time(
    conn: Connection, store: DiskStore, scratch: Path, a_retention: Retention
) -> None:
    a_success(conn, store, scratch, idempotency_key="k")
    a_job(conn)

    assert a_retention.run_once() == 0
    assert [count(conn, t) for t in ("jobs", "artifacts", "idempotency_keys")] == [2, 1, 1]
    assert len(files(store)) == 1


def test_files_leave_first_and_the_job_stays(
    conn: Connection, store: DiskStore, scratch: Path, a_retention: Retention
) -> None:
    job_id = a_success(conn, store, scratch)
    pass_time(conn, "keep_artifacts_s = 0")

    assert until_done(a_retention.run_once) == 1
    assert files(store) == []
    assert [count(conn, t) for t in ("jobs", "artifacts", "job_events")] == [1, 0, 3]
    job = read.get(conn, job_id, Viewer("acme"))
    assert job is not None
    assert job.expired
    assert broken(conn, at_rest=False) == {}


def test_a_job_leaves_with_everything_that_names_it(
    conn: Connection, store: DiskStore, scratch: Path, a_retention: Retention
) -> None:
    a_success(conn, store, scratch, idempotency_key="k")
    unfinished = a_job(conn)
    failed = started(conn, a_job(conn)).lease
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    pass_time(conn)

    assert until_done(a_retention.run_once) == 3  # a file, then two jobs
    assert conn.execute(text("SELECT id FROM jobs")).scalars().all() == [unfinished]
    assert [count(conn, t) for t in ("artifacts", "idempotency_keys", "job_events")] == [0, 0, 1]
    assert files(store) == []


def test_a_job_takes_its_key_along_even_when_keys_are_kept_longer(
    plain: Engine, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    a_success(conn, store, scratch, idempotency_key="k")
    pass_time(conn)

    until_done(Retention(plain, store, keep_keys_s=365 * DAY_S).run_once)
    assert count(conn, "idempotency_keys") == 0


def test_a_forgotten_key_makes_a_new_job_and_a_remembered_one_does_not(
    conn: Connection, a_retention: Retention
) -> None:
    first = a_job(conn, idempotency_key="k")
    until_done(a_retention.run_once)
    (again,) = submit(conn, [a_submission(idempotency_key="k")])
    conn.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '2 days'"))
    until_done(a_retention.run_once)
    (anew,) = submit(conn, [a_submission(idempotency_key="k")])

    assert isinstance(again, Accepted)
    assert isinstance(anew, Accepted)
    assert (again.job_id, again.created, anew.created) == (first, False, True)


def test_a_key_of_today_stays_though_an_older_one_of_the_same_job_leaves(
    conn: Connection, a_retention: Retention
) -> None:
    job_id = a_job(conn, idempotency_key="old")
    conn.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '2 days'"))
    today = a_submission(idempotency_key="today")
    assert today.idempotency_key is not None
    remember(conn, "acme", today.idempotency_key, Accepted(job_id, False, "calendar", reused=True))
    until_done(a_retention.run_once)

    assert conn.execute(text("SELECT key FROM idempotency_keys")).scalars().all() == ["today"]
    (again,) = submit(conn, [today])
    assert isinstance(again, Accepted)
    assert (again.job_id, again.created) == (job_id, False)


def test_a_key_that_leaves_while_it_is_asked_for_makes_a_new_job(engine: Engine, conn: Connection) -> None:
    a_job(conn, idempotency_key="k")

    left: list[str] = []

    @event.listens_for(engine, "after_cursor_execute")
    def forget(own: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement_name(statement) == "jobs.submit" and not left:
            left.append("k")
            conn.execute(text("DELETE FROM idempotency_keys"))

    with engine.connect() as own:
        (answer,) = submit(own, [a_submission(idempotency_key="k")])

    assert isinstance(answer, Accepted)
    assert answer.created
    assert count(conn, "jobs") == 2


def test_it_rests_once_it_has_looked_at_everything_and_found_nothing(
    plain: Engine, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    a_success(conn, store, scratch)
    pass_time(conn)
    statements: list[str] = []
    event.listen(plain, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(statement_name(sql)))
    retention = Retention(plain, store, keep_keys_s=DAY_S, rest_s=1000)

    assert until_done(retention.run_once) == 2
    assert statements[-5:] == [
        "artifacts.expired", "jobs.forget", "idempotency_keys.forget", "audit.forget", "api_keys.forget"
    ]  # fmt: skip
    statements.clear()
    assert retention.run_once() == 0
    assert statements == []


class _Distant(DiskStore):
    """A store whose every deletion takes a minute of the clock."""

    clock = 0.0

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        self.clock += 60
        return super().delete(keys)


def test_it_pauses_for_the_database_and_not_for_the_store(
    plain: Engine, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to S3 takes ten times as long as what is removed with it, and burdens no submission."""
    store = _Distant(scratch / "store")
    a_success(conn, store, scratch)
    pass_time(conn)
    paused: list[float] = []
    monkeypatch.setattr("services.relay.retention.time.monotonic", lambda: store.clock)
    monkeypatch.setattr("services.relay.retention.time.sleep", paused.append)

    assert Retention(plain, store, keep_keys_s=DAY_S).run_once()

    assert store.clock == 60
    assert paused == [0]


def test_the_database_refuses_to_forget_a_job_before_its_time(conn: Connection) -> None:
    lease = started(conn, a_job(conn)).lease
    with pytest.raises(IntegrityError, match="kept until"):
        conn.execute(text("DELETE FROM jobs"))
    fail(conn, [Failure(lease, "boom", "", retryable=False, delay_s=0)])
    with pytest.raises(IntegrityError, match="kept until"):
        conn.execute(text("DELETE FROM jobs"))


def test_the_database_refuses_to_forget_a_job_that_has_files(conn: Connection, store: DiskStore, scratch: Path) -> None:
    a_success(conn, store, scratch)
    pass_time(conn)
    with pytest.raises(IntegrityError, match="artifacts"):
        conn.execute(text("DELETE FROM jobs"))
    assert retention.forget_jobs(conn).rows == 0


def test_a_walk_goes_on_where_it_was_and_takes_a_job_with_all_its_files(
    plain: Engine, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    for _ in range(5):
        lease = started(conn, a_job(conn)).lease
        made = [Artifact(name, "csv", "text/csv", 4, "0" * 64, 1) for name in ("a.csv", "b.csv", "c.csv")]
        succeed(conn, [Success(lease, made, 0.1)])
    pass_time(conn)
    found: list[int] = []
    after = START
    with plain.connect() as own:
        while not found or after != START:
            expired = retention.expired(own, after=after, slice_size=4)
            found.append(len(expired.files))
            after = expired.next_after

    assert found == [6, 6, 3]


def test_two_relays_take_different_files(plain: Engine, conn: Connection, store: DiskStore, scratch: Path) -> None:
    a_success(conn, store, scratch)
    pass_time(conn)
    with transactional(plain).connect() as one, transactional(plain).connect() as two:
        assert [len(retention.expired(c).files) for c in (one, two)] == [1, 0]


def test_a_file_that_the_store_will_not_delete_keeps_its_row_and_stops_nobody(
    plain: Engine, conn: Connection, scratch: Path
) -> None:
    store = _Refusing(scratch / "store")
    kept = a_success(conn, store, scratch)
    other = a_success(conn, store, scratch)
    store.refuse = str(kept)
    pass_time(conn)
    before = metrics.UNDELETABLE._value.get()

    assert until_done(Retention(plain, store, keep_keys_s=DAY_S).run_once) == 2
    assert conn.execute(text("SELECT job_id FROM artifacts")).scalars().all() == [kept]
    assert other not in conn.execute(text("SELECT id FROM jobs")).scalars().all()
    assert metrics.UNDELETABLE._value.get() > before


def test_a_store_that_is_away_holds_no_job_back_that_has_no_files(
    plain: Engine, conn: Connection, scratch: Path
) -> None:
    store = _Refusing(scratch / "store")
    a_success(conn, store, scratch)
    fail(conn, [Failure(started(conn, a_job(conn)).lease, "boom", "", retryable=False, delay_s=0)])
    pass_time(conn)
    store.away = True

    assert until_done(Retention(plain, store, keep_keys_s=DAY_S).run_once) == 1
    assert count(conn, "jobs") == 1
    store.away = False
    assert until_done(Retention(plain, store, keep_keys_s=DAY_S).run_once) == 2


class _Refusing(DiskStore):
    refuse = "nothing"
    away = False

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        if self.away:
            raise ArtifactStoreUnavailable("away")
        refused = {key: "AccessDenied" for key in keys if self.refuse in key}
        return {**super().delete([key for key in keys if key not in refused]), **refused}


class Died(BaseException):
    """A kill -9: nothing after it runs, and the server rolls back what was open."""


class _Dying(DiskStore):
    """Tells of each deletion, before and after."""

    def __init__(self, root: Path, at: Callable[[str], None]) -> None:
        super().__init__(root)
        self._at = at

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        if not keys:
            return {}
        self._at("before store delete")
        kept = super().delete(keys)
        self._at("after store delete")
        return kept


EFFECTS = ("sql artifacts.expired", "store delete", "sql artifacts.drop", "COMMIT", "sql jobs.forget",
           "sql idempotency_keys.forget")  # fmt: skip


@pytest.mark.parametrize("point", [f"{phase} {effect}" for effect in EFFECTS for phase in ("before", "after")])
def test_a_death_at_any_step_of_retention_loses_and_shows_nothing(
    plain: Engine, conn: Connection, scratch: Path, point: str
) -> None:
    """Promise 4 holds between every two steps, and the next pass finishes what was begun."""
    reached: list[str] = []

    def at(name: str) -> None:
        reached.append(name)
        if name == point:
            raise Died

    store = _Dying(scratch / "store", at)
    alive = a_success(conn, store, scratch, idempotency_key="alive")
    old = a_success(conn, store, scratch, idempotency_key="old")
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0, keep_s = 0 WHERE id = :id"), {"id": old})
    conn.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '30 days' WHERE key = 'old'"))

    with _listening(plain, at), pytest.raises(Died):
        until_done(Retention(plain, store, keep_keys_s=DAY_S).run_once)
    assert reached[-1] == point
    assert broken(conn, at_rest=False) == {}
    assert _served(conn, store) == {alive}

    until_done(Retention(plain, DiskStore(scratch / "store"), keep_keys_s=DAY_S).run_once)
    assert conn.execute(text("SELECT id FROM jobs")).scalars().all() == [alive]
    assert conn.execute(text("SELECT key FROM idempotency_keys")).scalars().all() == ["alive"]
    assert [str(alive) in key for key in files(store)] == [True]
    assert broken(conn, at_rest=False) == {}


def _served(conn: Connection, store: DiskStore) -> set[UUID]:
    """Jobs whose files a client is given; fails when one is named and not there."""
    jobs = listing.list_jobs(conn, Viewer("acme"), size=10).jobs
    for job_id, named in artifacts_of(conn, jobs, tenant="acme").items():
        for artifact in named:
            (job,) = [j for j in jobs if j.id == job_id]
            assert job.lease_token is not None
            store.stat(artifact_key("acme", job_id, job.lease_token, artifact.name))
    return {job.id for job in jobs if not job.expired}


class _listening:  # noqa: N801 - reads as what it does
    """Tells of every statement and commit of an engine, before and after."""

    def __init__(self, engine: Engine, at: Callable[[str], None]) -> None:
        self._engine = engine
        names = {f"sql {n}" for n in ("artifacts.expired", "artifacts.drop", "jobs.forget", "idempotency_keys.forget")}

        def tell(phase: str, statement: str) -> None:
            if (name := f"sql {statement_name(statement)}") in names:
                at(f"{phase} {name}")

        self._dialect: Any = engine.dialect
        commit = type(self._dialect).do_commit

        def do_commit(connection: Any) -> None:
            at("before COMMIT")
            commit(self._dialect, connection)
            at("after COMMIT")

        self._do_commit = do_commit
        self._listeners = [
            ("before_cursor_execute", lambda c, cur, sql, *_: tell("before", sql)),
            ("after_cursor_execute", lambda c, cur, sql, *_: tell("after", sql)),
        ]

    def __enter__(self) -> None:
        for name, listener in self._listeners:
            event.listen(self._engine, name, listener)
        self._dialect.do_commit = self._do_commit

    def __exit__(self, *_: object) -> None:
        for name, listener in self._listeners:
            event.remove(self._engine, name, listener)
        del self._dialect.do_commit


# Orphans


def orphans_removed(sweep: OrphanSweep) -> int:
    """By one pass over the store."""
    removed = metrics.RETIRED.labels("orphan")._value
    before = removed.get()
    sweep.run_once()
    return int(removed.get() - before)


class _Costly(DiskStore):
    def advice_on_deleting(self) -> Sequence[str]:
        return ["Bucket x keeps versions"]


def test_what_stays_in_the_store_is_told_once_per_round(
    engine: Engine, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = OrphanSweep(engine, _Costly(scratch / "store"))
    for _ in range(3):
        sweep.run_once()

    told = [r.__dict__["advice"] for r in caplog.records if r.getMessage() == "artifact_store.advice"]
    assert told == ["Bucket x keeps versions"]


class _Old(DiskStore):
    """A store whose files were stored two days ago."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for found in super().list(prefix):
            yield replace(found, modified_at=found.modified_at - timedelta(days=2))


def test_only_files_that_no_row_can_ever_name_are_orphans(engine: Engine, conn: Connection, scratch: Path) -> None:
    store = _Old(scratch / "store")
    won = a_success(conn, store, scratch)
    lost = started(conn, a_job(conn)).lease
    orphans = {store_file(store, scratch, lost)}
    expire_lease(conn, lost.job_id)
    holder = started(conn, lost.job_id, worker="w2").lease
    store_file(store, scratch, holder)  # being worked on: it may still win
    failed = started(conn, a_job(conn)).lease
    orphans.add(store_file(store, scratch, failed))
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    unknown = store_file(store, scratch, Lease(uuid7(), uuid4()))
    foreign = "reports/acme/notes.txt"
    (scratch / "store" / foreign).write_text("somebody else's")
    before = set(files(store))

    assert orphans_removed(OrphanSweep(engine, store)) == 2
    assert before - set(files(store)) == orphans
    assert {unknown, foreign} <= set(files(store))
    assert metrics.UNKNOWN_FILES._value.get() == 2
    stored = measurements.read(conn)[Subject.STORE].facts
    assert stored == {"files": len(before), "bytes": metrics.STORED_BYTES._value.get()}
    assert stored["bytes"] > 0
    assert artifacts_of(conn, listing.list_jobs(conn, Viewer("acme"), size=9).jobs, tenant="acme")[won] != []


def test_a_file_of_today_is_no_orphan_yet(engine: Engine, conn: Connection, store: DiskStore, scratch: Path) -> None:
    failed = started(conn, a_job(conn)).lease
    store_file(store, scratch, failed)
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])

    assert orphans_removed(OrphanSweep(engine, store)) == 0
    assert len(files(store)) == 1


def test_where_nothing_is_removed_files_that_nobody_knows_are_counted(
    engine: Engine, conn: Connection, store: DiskStore, scratch: Path
) -> None:
    """After a restore: some of today's, too, and before anybody lets the relay remove what it takes for orphans."""
    store_file(store, scratch, Lease(uuid7(), uuid4()))
    old = _Old(scratch / "store")
    failed = started(conn, a_job(conn)).lease
    store_file(old, scratch, failed)
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    sweep = OrphanSweep(engine, old, removes=False)
    assert math.isnan(metrics.UNKNOWN_FILES._value.get()), "nobody has looked"

    assert orphans_removed(sweep) == 0
    assert (len(files(store)), metrics.UNKNOWN_FILES._value.get()) == (2, 1)
    assert orphans_removed(OrphanSweep(engine, store)) == 0
    assert metrics.UNKNOWN_FILES._value.get() == 1, "of today"


def test_a_relay_that_removes_nothing_still_counts(database_url: str, scratch: Path) -> None:
    given = {"DATABASE_URL": database_url, "SQS_QUEUE_URL": "http://x/q", "ARTIFACT_URL": scratch.as_uri()}
    on, off = (
        {loop.name for loop in assemble(RelaySettings.from_environment({**given, "RELAY_RETENTION": one})).beside}
        for one in ("on", "off")
    )
    assert on - off == {"retention", "tidying", "erasures"}
    assert off == {"sweeper", "gauges", "dead letters", "bulk", "schedules", "webhooks", "orphans"}


def test_a_file_of_another_tenants_key_is_not_taken_for_the_jobs(
    engine: Engine, conn: Connection, scratch: Path
) -> None:
    store = _Old(scratch / "store")
    failed = started(conn, a_job(conn)).lease
    store_file(store, scratch, failed)
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    reports = scratch / "store" / "reports"
    (reports / "acme").rename(reports / "other")

    assert orphans_removed(OrphanSweep(engine, store)) == 0


def test_the_store_is_listed_a_page_at_a_time_and_not_all_the_time(
    engine: Engine, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _Old(scratch / "store")
    for _ in range(5):
        failed = started(conn, a_job(conn)).lease
        store_file(store, scratch, failed)
        fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    monkeypatch.setattr("services.relay.orphans.LIST_PAGE", 2)
    sweep = OrphanSweep(engine, store)

    assert [orphans_removed(sweep) for _ in range(5)] == [2, 2, 1, 0, 0]
    assert sweep._rest_until > time.monotonic() + 3000


def test_on_s3_files_expire_and_orphans_leave(
    plain: Engine, conn: Connection, bucket: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"s3://{bucket}/some/prefix", region=REGION)
    a_success(conn, store, scratch)
    alive = a_success(conn, store, scratch)
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0, keep_s = 0 WHERE id <> :id"), {"id": alive})
    failed = started(conn, a_job(conn)).lease
    store_file(store, scratch, failed)
    fail(conn, [Failure(failed, "boom", "", retryable=False, delay_s=0)])
    monkeypatch.setattr("services.relay.orphans._ORPHAN_AGE_S", -60)

    removed = until_done(Retention(plain, store, keep_keys_s=DAY_S).run_once)
    assert removed == 2  # a file and its job
    assert orphans_removed(OrphanSweep(plain, store)) == 1
    assert [str(alive) in key for key in files(store)] == [True]
