"""Retention by a real relay under its own role, killed in the middle of it."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from tests.support.eventually import eventually
from tests.support.jobs import count
from tests.support.processes.services import Services
from tests.support.promises import broken, broken_files
from todoke import errors


@pytest.mark.parametrize("point", ["store delete|after|1", "sql jobs.forget|after|1"])
def test_a_relay_killed_while_it_removes_a_report_leaves_the_rest_to_the_next(
    services: Services, conn: Connection, point: str
) -> None:
    for name in ("api", "worker"):
        services.start(name)
    relay = services.start("relay", RELAY_RETENTION="off")
    jobs = [services.submit(f"k{n}", {"parameters": {"seconds": 0}, "formats": ["csv"]}) for n in range(2)]
    ended = [services.until_final(job_id) for job_id in jobs]
    name = ended[0]["result"]["artifacts"][0]["name"]
    assert services.file(jobs[0], name)
    relay.kill()
    relay.wait(30)
    old = {"id": UUID(jobs[0])}
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0, keep_s = 0 WHERE id = :id"), old)
    with pytest.raises(errors.NoFiles, match="expired at"):
        services.file(jobs[0], name)

    doomed = services.start("relay", launcher=True, STOP_AT=point)
    eventually(lambda: doomed.poll() is not None, what=f"the relay dies at {point}")
    assert broken(conn, at_rest=False) == {}
    assert broken_files(conn, services.artifacts) == []
    services.start("relay")

    eventually(lambda: count(conn, "jobs") == 1, what="the job leaves")
    with pytest.raises(errors.NotFound, match="unknown_job"):
        services.file(jobs[0], name)
    assert not list(services.artifacts.glob(f"reports/*/{jobs[0]}"))
    assert len(list(services.artifacts.glob(f"reports/*/{jobs[1]}/*/*"))) >= 1
    assert count(conn, "idempotency_keys") == 1
    assert broken(conn, at_rest=False) == {}
    assert broken_files(conn, services.artifacts) == []
