"""A generated client: openapi-python-client makes it from the description, without a warning, and it works."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import Connection

from deploy.tools.openapi_snapshot import SNAPSHOT
from shared.access import api_keys
from tests.support.api_server import serving


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a package `generated_todoke`."""
    folder = tmp_path_factory.mktemp("generated")
    tool = Path(sys.executable).with_name("openapi-python-client")
    command: list[str | Path] = [
        tool,
        "generate",
        "--path",
        SNAPSHOT,
        "--output-path",
        folder / "generated_todoke",
        "--meta",
        "none",
    ]
    environment = {"PATH": str(tool.parent), "HOME": str(folder)}
    made = subprocess.run(
        [*command, "--fail-on-warning"], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert made.returncode == 0, made.stdout[-5000:] + made.stderr[-5000:]
    return folder


def test_it_submits_looks_and_lists(
    generated: Path, database_url: str, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(generated))

    def module(name: str) -> Any:
        return importlib.import_module(f"generated_todoke.{name}")

    key = api_keys.create_key(conn, tenant="acme", name="generated")
    with serving(database_url, scratch, API_AUTH="keys") as server:
        client = module("client").AuthenticatedClient(base_url=server.url, token=key, timeout=httpx.Timeout(60))
        body = module("models.submit_job_body").SubmitJobBody.from_dict(
            {"reportType": "calendar", "parameters": {"from": "2026-01-01"}, "labels": {"team": "finance"}}
        )
        accepted = module("api.jobs.submit_job").sync(client=client, body=body, idempotency_key="once")
        job = module("api.jobs.get_job").sync(accepted.job_id, client=client)
        page = module("api.jobs.list_jobs").sync(client=client, label=["team:finance"], page_size=5)
        unknown = module("api.jobs.get_job").sync(str(accepted.job_id)[:-1] + "x", client=client)

    assert (job.job_id, job.status.value, job.labels.to_dict()) == (accepted.job_id, "PENDING", {"team": "finance"})
    assert [one.job_id for one in page.jobs] == [accepted.job_id]
    assert (unknown.status, unknown.code) == (404, "unknown_job")
