"""What each image installs: enough for its service to start, and nothing that another service needs.

`make test-containers` looks into the images themselves; this reads the lists they are built from.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "images" / "locks"
ENTRY_POINTS = {
    "api": ["services.api.__main__", "shared.artifacts.s3", "shared.runtime.healthcheck"],
    "relay": ["services.relay.__main__", "shared.runtime.healthcheck"],
    "worker": [
        "services.worker.__main__",
        "services.cli.__main__",
        "shared.artifacts.s3",
        "shared.runtime.healthcheck",
    ],
    "migrate": ["migrations.__main__", "migrations.versions", "alembic"],
}
REPORTS = {"duckdb", "jinja2", "pikepdf", "reportlab", "typst", "vl-convert-python", "isal", "lxml", "pillow"}
WEB = {"fastapi", "starlette", "uvicorn", "uvloop", "httptools", "anyio"}
NOT_IN = {
    "api": {*REPORTS, "alembic"},
    "relay": {*REPORTS, *WEB, "alembic"},
    "worker": {*WEB, "alembic"},
    "migrate": {*REPORTS - {"jinja2"}, *WEB, "boto3"},
}

# Imports the modules of argv[2] while every package outside argv[1] is hidden.
_IMPORT = """
import importlib, importlib.metadata, re, sys

allowed = set(sys.argv[1].split(","))

class Hide:
    def __init__(self):
        self._owners = importlib.metadata.packages_distributions()

    def find_spec(self, name, path=None, target=None):
        owners = {re.sub(r"[-_.]+", "-", o).lower() for o in self._owners.get(name.split(".")[0], [])}
        if owners and not owners & allowed:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)
        return None

sys.meta_path.insert(0, Hide())
for module in sys.argv[2].split(","):
    importlib.import_module(module)
"""


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
    packages = ",".join(locked(LOCKS / f"{image}.lock"))
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORT, packages, ",".join(ENTRY_POINTS[image])],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr[-2000:]
