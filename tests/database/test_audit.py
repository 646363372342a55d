"""The audit trail: written with the change or not at all, never altered, read page by page, deleted after its time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.access import audit, audit_trail
from shared.access.audit import Action, Actor
from shared.access.audit_trail import Entry, Filters, Place
from shared.database.engine import transactional
from tests.support.postgres import fill

ANY = Filters()
ANN = Actor("acme", "ann", "k1", "request-1", "192.0.2.7")


def entries(conn: Connection, tenant: str = "acme", filters: Filters = ANY, size: int = 3) -> list[Entry]:
    """All of them, page by page."""
    found: list[Entry] = []
    before: Place | None = None
    for _ in range(100):
        page = audit_trail.list_entries(conn, tenant, filters, size=size, before=before)
        assert len(page.entries) <= size
        found += page.entries
        if (before := page.next_before) is None:
            return found
    raise AssertionError("the pages never end")


def cancels(conn: Connection, *jobs: str, actor: Actor = ANN) -> None:
    for job in jobs:
        audit.record(conn, actor, Action.JOBS_CANCEL, f"jobs/{job}", after={"outcome": "cancelled"})


def test_an_entry_says_who_did_what_to_what_and_from_where(conn: Connection) -> None:
    audit.record(conn, ANN, Action.JOBS_CANCEL, "jobs/1", before={"status": "PENDING"}, after={"ok": "é\U0001f600"})

    [entry] = entries(conn)
    assert entry[2:] == (
        "ann", "k1", "request-1", "192.0.2.7", "jobs.cancel", "jobs/1", {"status": "PENDING"}, {"ok": "é\U0001f600"},
    )  # fmt: skip
    assert abs(datetime.now(UTC) - entry.at) < timedelta(minutes=5)


def test_what_was_rolled_back_leaves_no_entry(engine: Engine, conn: Connection) -> None:
    with transactional(engine).connect() as writing:
        cancels(writing, "1")
        writing.rollback()

    assert entries(conn) == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET subject = 'ben'", "TRUNCATE audit", "DELETE FROM audit"])
def test_nobody_mends_the_trail_not_even_its_owner(conn: Connection, statement: str) -> None:
    cancels(conn, "1")

    with pytest.raises(IntegrityError, match="audit trail"):
        conn.execute(text(statement))
    assert len(entries(conn)) == 1


def test_a_tenant_finds_its_own_newest_first_and_each_once(conn: Connection) -> None:
    with transactional(conn.engine).begin() as writing:
        cancels(writing, *map(str, range(10)))
    cancels(conn, "foreign", actor=Actor("globex"))

    assert [e.object for e in entries(conn)] == [f"jobs/{n}" for n in reversed(range(10))]
    assert [e.object for e in entries(conn, "globex")] == ["jobs/foreign"]
    assert entries(conn, "acm") == []


def test_filters_find_what_they_name_however_rare(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "_LOOK", 300)
    fill.audit(conn, 2_000, age_s=100)
    cancels(conn, "mine", actor=ANN._replace(subject="ben"))

    assert len(entries(conn, filters=Filters(subject="ann"))) == 2
    assert [e.object for e in entries(conn, filters=Filters(subject="ben"))] == ["jobs/mine"]
    assert entries(conn, filters=Filters(action="keys.create")) == []
    assert len(entries(conn, filters=Filters(object="jobs/7"), size=7)) == 20
    assert entries(conn, filters=Filters(object="jobs/7", subject="ben")) == []
    [newest] = entries(conn, filters=Filters(subject="ben"))
    assert newest not in entries(conn, filters=Filters(until=newest.at), size=1_000)
    assert entries(conn, filters=Filters(since=newest.at)) == [newest]
    assert len(entries(conn, filters=Filters(until=newest.at), size=1_000)) == 2_000


def test_entries_leave_when_their_time_is_over_and_no_sooner(conn: Connection) -> None:
    day_s = 86_400
    fill.audit(conn, 10, age_s=40 * day_s)
    cancels(conn, "young")

    assert audit_trail.forget_entries(conn, keep_s=41 * day_s) == 0
    assert audit_trail.forget_entries(conn, keep_s=39 * day_s, slice_size=4) == 4
    with pytest.raises(IntegrityError, match="30 days"):
        audit_trail.forget_entries(conn, keep_s=-1)
    assert audit_trail.forget_entries(conn, keep_s=39 * day_s) == 6
    assert [e.object for e in entries(conn)] == ["jobs/young"]
