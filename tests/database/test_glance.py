"""A list of jobs shows each viewer their own jobs, and the same data as other views."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy.engine import Connection

from shared.jobs.erasure import delete
from shared.jobs.glance import glance
from shared.jobs.read import get
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job, started


def test_each_viewer_is_shown_what_it_sees(conn: Connection) -> None:
    anns = a_job(conn, requester="ann")
    asked: Sequence[tuple[UUID, Viewer]] = [
        (anns, Viewer("acme")), (anns, Viewer("globex")), (anns, Viewer("acme", "ann")), (anns, Viewer("acme", "bob")),
        (anns, Viewer("acme", None, ["other"])), (anns, Viewer("acme", None, ["other", "calendar"])),
        (uuid4(), Viewer("acme")),
    ]  # fmt: skip

    found = glance(conn, asked)

    assert [one is not None for one in found] == [True, False, True, False, True, False, False]
    assert [one is not None for one in found] == [get(conn, *each) is not None for each in asked]


def test_a_look_tells_what_the_job_itself_tells(conn: Connection) -> None:
    done = a_job(conn)
    succeed(conn, [Success(started(conn, done).lease, (), 0.5)])
    over, deleted, waiting = a_job(conn, keep_artifacts_s=0), a_job(conn), a_job(conn)
    succeed(conn, [Success(started(conn, over).lease, (), 0.5)])
    succeed(conn, [Success(started(conn, deleted).lease, (), 0.5)])
    viewer = Viewer("acme")
    delete(conn, deleted, viewer)

    asked = (done, over, waiting)
    found = glance(conn, [(one, viewer) for one in asked])

    for job_id, seen in zip(asked, found, strict=True):
        job = get(conn, job_id, viewer)
        assert job is not None
        assert seen is not None
        assert (seen.version, seen.expired, seen.status) == (job.version, job.expired, job.status)
        assert (seen.report_type, seen.run_at) == (job.report_type, job.run_at)
    assert [one.expired for one in found if one] == [False, True, False]
    assert glance(conn, [(deleted, viewer)]) == [None]
