"""Schemathesis against the running API: every check, every phase, no findings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from shared.jobs.finish import Failure, fail
from tests.security.conftest import Api
from tests.support.jobs import a_job, started

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_HOOKS = Path(__file__).with_name("schemathesis_hooks.py")


@pytest.mark.timeout(1200)
def test_the_description_and_the_service_agree(api: Api, conn: Connection, tmp_path: Path) -> None:
    assert _run(api, conn, tmp_path, examples=5, seed=1) > 300


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_thousand_requests_find_nothing(api: Api, conn: Connection, tmp_path: Path) -> None:
    cases = 0
    seed = 0
    while cases < 10_000:
        seed += 1
        cases += _run(api, conn, tmp_path, examples=200, seed=seed)
        print(f"{cases} cases after seed {seed}")


def _run(api: Api, conn: Connection, folder: Path, *, examples: int, seed: int) -> int:
    """All checks with so many examples a phase. Returns the number of requests; fails with what was found."""
    ended = a_job(conn, tenant="acme")
    fail(conn, [Failure(started(conn, ended).lease, "boom", "it broke", retryable=False, delay_s=0)])
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"), f"--config-file={_CONFIG}", "run", f"{api.url}/openapi.json",
        "--checks=all", "--phases=examples,coverage,fuzzing,stateful", f"--max-examples={examples}", f"--seed={seed}",
        f"--header=Authorization: Bearer {api.key}", "--continue-on-failure", "--no-color", "--workers=1",
        "--request-timeout=60", "--suppress-health-check=all",
    ]  # fmt: skip
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(_HOOKS)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=3000, check=False
    )
    said = re.search(r"^  (\d+) generated", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert said, done.stdout[-5000:]
    assert broken_requests(api.log) == []
    return int(said[1])


def broken_requests(log: Path) -> list[str]:
    """What the service itself calls a defect of its own, whatever it answered."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [line[:2000] for line in lines if json.loads(line).get("level") == "ERROR"]
