"""`python -m tests.benchmarks.fairness`: one tenant requests a hundred thousand reports, and another one.

Prints how long the relay takes until the other's doorbell is in the queue, and how many of the first tenant's jobs are
started before the other's.
"""

import argparse
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from deploy.local import postgres
from services.relay.settings import RelaySettings
from shared.database.engine import create_engine
from shared.jobs.submit import submit
from tests.benchmarks import counting, noop
from tests.benchmarks.parts import Stage, environment
from tests.support.eventually import eventually
from tests.support.jobs import a_submission
from tests.support.sqs.fast_process import FastSqs


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=100_000)
    options.add_argument("--ahead", type=int, default=RelaySettings.model_fields["ahead"].default)
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="todoke-fair-", ignore_cleanup_errors=True) as folder,
        postgres.EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as server,
        FastSqs(Path(folder)) as sqs,
        environment(sqs.environment()),
    ):
        stage = Stage(server, sqs, Path(folder), given.jobs, 1)
        url, queue_url, counted = stage.database(), stage.queue(), counting.Counted()
        engine = create_engine(url, application_name="bench")
        with engine.connect() as conn:
            counting.submit_jobs(conn, given.jobs, batch=1000)
            quiet = a_submission(tenant="quiet", report_type=noop.NAME, parameters={}, formats=[])
            submit(conn, [quiet])
            began = time.monotonic()
            with counting.relay(url, queue_url, counted, ahead=given.ahead):
                eventually(
                    lambda: conn.execute(text("SELECT id FROM outbox LIMIT 1")).first() is None,
                    within_s=300,
                    what="everything has left the outbox",
                )
                moved_s = time.monotonic() - began
                with counting.worker(url, queue_url, Path(folder), counted, WORKER_SLOTS=8):
                    eventually(
                        lambda: conn.execute(
                            text("SELECT finished_at FROM jobs WHERE id = :id"), {"id": quiet.id}
                        ).scalar(),
                        within_s=300,
                        what="the quiet tenant's report is made",
                    )
            before = conn.execute(
                text("SELECT count(*) FROM jobs WHERE started_at < (SELECT started_at FROM jobs WHERE id = :id)"),
                {"id": quiet.id},
            ).scalar_one()
        engine.dispose()
    print(f"{given.jobs:,} jobs of one tenant, then one of another; RELAY_AHEAD={given.ahead}:")
    print(f"its doorbell was in the queue {moved_s:.1f} s after the relay began; {before} jobs were started before it.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
