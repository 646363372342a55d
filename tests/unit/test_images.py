"""What each image installs: enough for its service to start, and nothing that another service needs.

`make test-containers` looks into the images themselves; this reads the lists they are built from.
"""

import re
from pathlib import Path

import pytest

from tests.support.installed import ROOT, run_with

LOCKS = ROOT / "deploy" / "images" / "locks"
ENTRY_POINTS = {
    "api": ["services.api.__main__", "services.cli.keys", "shared.artifacts.s3", "shared.runtime.healthcheck"],
    "relay": ["services.relay.__main__", "services.cli.queues", "shared.runtime.healthcheck"],
    "worker": [
        "services.worker.__main__",
        "services.cli.check",
        "services.cli.queues",
        "shared.artifacts.s3",
        "shared.runtime.healthcheck",
    ],
    "migrate": ["services.cli.migrate", "services.cli.keys", "migrations.versions", "alembic"],
}
REPORTS = {"duckdb", "jinja2", "pikepdf", "reportlab", "typst", "vl-convert-python", "isal", "lxml", "pillow"}
WEB = {"fastapi", "starlette", "uvicorn", "uvloop", "httptools", "anyio"}
NOT_IN = {
    "api": {*REPORTS - {"jinja2"}, "alembic"},
    "relay": {*REPORTS, *WEB, "alembic"},
    "worker": {*WEB, "alembic"},
    "migrate": {*REPORTS - {"jinja2"}, *WEB, "boto3"},
}


def locked(lock: Path) -> dict[str, str]:
    """Package → version."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", lock.read_text(), re.MULTILINE))


def test_every_image_installs_the_versions_that_the_tests_ran_with() -> None:
    tested = locked(ROOT / "requirements.lock")

    assert {lock.stem for lock in LOCKS.glob("*.lock")} == {*ENTRY_POINTS, "otel", "build"}
    for lock in LOCKS.glob("*.lock"):
        assert locked(lock).items() <= tested.items(), f"{lock} has other versions: run `make lock`"


def test_every_package_is_pinned_by_its_hashes() -> None:
    for lock in LOCKS.glob("*.lock"):
        packages = lock.read_text().split("\n\n")[0].replace("\\\n", "").splitlines()
        assert all("--hash=sha256:" in package for package in packages), lock


@pytest.mark.parametrize("image", ENTRY_POINTS)
def test_an_image_carries_nothing_of_another_services_work(image: str) -> None:
    assert NOT_IN[image] & locked(LOCKS / f"{image}.lock").keys() == set()


@pytest.mark.parametrize("image", ENTRY_POINTS)
def test_a_service_starts_with_what_its_image_installs(image: str) -> None:
    ran = run_with(locked(LOCKS / f"{image}.lock").keys(), f"import {', '.join(ENTRY_POINTS[image])}")

    assert ran.returncode == 0, ran.stderr[-2000:]
