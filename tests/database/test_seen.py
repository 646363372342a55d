"""Many jobs read at once: each as a single read shows it, with its files, and only to those who may see it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.erasure import delete
from shared.jobs.read import get
from shared.jobs.seen import seen
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job, started

FILES = [
    Artifact(name, "csv", "text/csv", 2**40, "0" * 64, 2**33) for name in ("a.csv", "B.csv", "é.csv", "あ.csv", "b.csv")
]
VIEWER = Viewer("acme")


def a_success(conn: Connection, **how: Any) -> UUID:
    job_id = a_job(conn, **how)
    succeed(conn, [Success(started(conn, job_id).lease, FILES, 0.5)])
    return job_id


def test_each_viewer_is_shown_what_it_sees(conn: Connection) -> None:
    anns = a_success(conn, requester="ann")
    asked: Sequence[tuple[UUID, Viewer]] = [
        (anns, Viewer("acme")), (anns, Viewer("globex")), (anns, Viewer("acme", "ann")), (anns, Viewer("acme", "bob")),
        (anns, Viewer("acme", None, ["other"])), (anns, Viewer("acme", None, ["other", "calendar"])),
        (uuid4(), Viewer("acme")),
    ]  # fmt: skip

    found = seen(conn, asked)

    assert [one is not None for one in found] == [True, False, True, False, True, False, False]
    assert [one is not None for one in found] == [get(conn, *each) is not None for each in asked]


def test_a_job_and_its_files_are_what_a_look_at_it_alone_tells(conn: Connection) -> None:
    done, over, waiting, under_way = a_success(conn), a_success(conn, keep_artifacts_s=0), a_job(conn), a_job(conn)
    deleted, of_a_lost_attempt = a_success(conn), a_success(conn)
    started(conn, under_way)
    delete(conn, deleted, VIEWER)
    conn.execute(text("UPDATE artifacts SET lease_token = gen_random_uuid() WHERE job_id = :id"),
                 {"id": of_a_lost_attempt})  # fmt: skip
    asked = [waiting, over, done, deleted, under_way, of_a_lost_attempt]

    found = seen(conn, [(job_id, VIEWER) for job_id in asked])

    for job_id, one in zip(asked, found, strict=True):
        alone = get(conn, job_id, VIEWER)
        assert one is not None
        assert alone is not None
        for field in set(alone.__slots__) - {"files_left_s"}:
            assert getattr(one.job, field) == getattr(alone, field), field
        assert one.job.expired == alone.expired
        assert one.artifacts == artifacts_of(conn, [alone], tenant="acme")[job_id]
    assert [len(one.artifacts) for one in found if one] == [0, 0, len(FILES), len(FILES), 0, 0]
    assert [one.job.deleted_at is not None for one in found if one] == [False, False, False, True, False, False]
