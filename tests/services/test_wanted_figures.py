"""A report's figures are computed only if a notification's condition names one."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from deploy.local.choices import SAMPLE_CATALOG
from services.worker.attempt import Attempts
from services.worker.cooldown import Cooldown
from services.worker.held import Held
from services.worker.scratch import Scratch
from shared.catalog.load import load_catalog
from shared.database.engine import create_engine
from shared.reports.interface import RenderCancelled, RenderedFile, RenderRequest
from shared.webhooks.conditions import Condition
from tests.support.jobs import a_job, started
from tests.support.postgres.roles import service_urls
from tests.support.sqs.double import InMemoryQueue
from tests.support.webhooks import a_webhook, secret_keys
from tests.support.worker import worker_parts

Asked = Callable[..., bool]
BOUND: Condition = {"figure": "cancelled_share", "above": 0.1}
ROWS: Condition = {"figure": "rows", "below": 1}


@pytest.fixture
def worker_engine(database_url: str) -> Iterator[Engine]:
    """With the rights of a worker."""
    engine = create_engine(service_urls(database_url)["worker"], application_name="test-worker", pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def asked(conn: Connection, worker_engine: Engine, tmp_path: Path) -> Asked:
    """Whether the attempt of a job of acme asks its renderer for figures."""
    seen: list[bool] = []

    def render(request: RenderRequest, **_: object) -> Sequence[RenderedFile]:
        seen.append(request.figures)
        raise RenderCancelled

    parts = worker_parts(
        worker_engine,
        InMemoryQueue(),
        tmp_path,
        render=render,
        catalog=load_catalog(SAMPLE_CATALOG),
    )
    attempts = Attempts(parts, Cooldown(), Scratch(tmp_path, worker_engine))

    def ask(report: str = "carrier-delays", **options: object) -> bool:
        job = a_job(conn, tenant="acme", report_type=report, options=options or None)
        attempts.run(Held(started(conn, job), "", now=time.monotonic()))
        return seen.pop()

    return ask


@pytest.fixture
def wants(conn: Connection, tmp_path: Path) -> Callable[..., None]:
    """A webhook with these conditions."""
    keys = secret_keys(tmp_path)

    def make(*when: Condition, tenant: str = "acme", report_types: list[str] | None = None, off: bool = False) -> None:
        webhook_id = a_webhook(conn, keys, "https://a.example/", tenant=tenant, report_types=report_types)
        conn.execute(
            text("UPDATE webhooks SET notify_when = CAST(:when AS jsonb), disabled_at = CASE WHEN :off THEN now() END, "
                 "disabled_because = CASE WHEN :off THEN 'asked' END WHERE id = :id"),
            {"id": webhook_id, "when": json.dumps(when) if when else None, "off": off},
        )  # fmt: skip

    return make


def test_nobody_asks_for_figures_unless_a_condition_names_one(asked: Asked, wants: Callable[..., None]) -> None:
    wants()
    wants("rows", ROWS, "failure")
    wants(BOUND, tenant="globex")
    wants(BOUND, report_types=["shop-sales"])
    wants(BOUND, off=True)
    assert not asked()
    assert not asked(callbackUrl="https://a.example/", notifyWhen=["rows", ROWS])

    wants("rows", BOUND, report_types=["shop-sales", "carrier-delays"])
    assert asked()
    assert not asked("flights-export"), "it has no figures"


def test_the_jobs_own_condition_counts(asked: Asked) -> None:
    assert asked(callbackUrl="https://a.example/", notifyWhen=["failure", BOUND])


def test_a_database_that_does_not_answer_costs_figures_and_no_attempt(
    asked: Asked, worker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> Sequence[object]:
        raise SQLAlchemyError

    monkeypatch.setattr(worker_engine.pool, "connect", refuses)
    assert asked()
