"""`python -m tests.containers`: builds the images, starts the stack, breaks it, and writes docs/results/containers.md.

Images that cannot be pulled are replaced by variable (TODOKE_QUEUE_IMAGE=…, see deploy/README.md); without a registry,
queue and store are the emulator of `make run`, and PREBUILT=1 leaves the services' images as they are.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.images import engine
from deploy.images.__main__ import TARGETS, build, size_mb
from shared.errors import TodokeError
from tests.containers.stack import ROOT, compose_command

TAG = "test"
EMULATOR = "todoke/emulator:test"
PAGE = ROOT / "docs" / "results" / "containers.md"
_FOLDER = Path(__file__).parent


class Outcomes:
    """What each test came to, for the page."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, float]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after each phase of each test."""
        if report.when == "call" or report.failed:
            self.rows.append((report.nodeid.split("::")[-1], report.outcome, report.duration))


def main(arguments: list[str]) -> int:
    """Run everything. Returns pytest's exit code, or 1 when there is no engine; the page is written on success only."""
    images = {target: f"todoke/{target}:{TAG}" for target in TARGETS}
    try:
        about = _about()
        if not os.environ.get("PREBUILT"):
            build(images)
        _replace_what_cannot_be_pulled()
    except TodokeError as error:
        print(error, file=sys.stderr)
        return 1
    os.environ |= {"TODOKE_TAG": TAG, "TODOKE_IMAGES": "todoke"}
    outcomes = Outcomes()
    options = ["-o", "python_files=check_*.py", "-o", "timeout=900", "--durations=5", "-v", *arguments]
    code = int(pytest.main([*options, str(_FOLDER)], plugins=[outcomes]))
    if code == 0 and not arguments:
        PAGE.write_text(page(about, {image: size_mb(image) for image in images.values()}, outcomes))
    return code


def page(about: str, sizes: dict[str, float], outcomes: Outcomes) -> str:
    """docs/results/containers.md."""
    lines = [
        "# The last run of `make test-containers`",
        "",
        "Written by the command itself when every check has passed.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {about}.",
        f"Queue: {os.environ['TODOKE_QUEUE_IMAGE']}; store: {os.environ['TODOKE_STORE_IMAGE']}.",
        "",
        "| image | MB unpacked, base included |",
        "|---|---|",
        *(f"| {image.rsplit(':', 1)[0]} | {size:.0f} |" for image, size in sizes.items()),
        "",
        "| check | outcome | seconds |",
        "|---|---|---|",
        *(f"| {_sentence(name)} | {outcome} | {seconds:.1f} |" for name, outcome, seconds in outcomes.rows),
    ]
    return "\n".join(lines) + "\n"


def _sentence(name: str) -> str:
    name, _, case = name.removeprefix("test_").partition("[")
    return name.replace("_", " ") + (f" ({case.rstrip(']')})" if case else "")


def _about() -> str:
    version = engine.run("version", "--format", "{{.Server.Version}}").strip()
    compose = "podman-compose " + importlib.metadata.version("podman-compose")
    if compose_command()[0] == "docker":
        compose = engine.run("compose", "version", "--short").strip()
    return f"engine {version}, {compose}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} processors"


def _replace_what_cannot_be_pulled() -> None:
    """Name every image that the stack needs: the one asked for, or one that is on this machine."""
    replacements = {
        "TODOKE_QUEUE_IMAGE": EMULATOR,
        "TODOKE_STORE_IMAGE": EMULATOR,
        "TODOKE_PROMETHEUS_IMAGE": "prom/prometheus:latest",
    }
    for variable, image in replacements.items():
        os.environ.setdefault(variable, image)
    if EMULATOR in {os.environ[variable] for variable in replacements}:
        packages = [f"{name}=={importlib.metadata.version(name)}" for name in ("ministack", "boto3")]
        command = [engine.program(), "build", "-t", EMULATOR, "--build-arg", f"PACKAGES={' '.join(packages)}"]
        built = subprocess.run([*command, str(_FOLDER / "emulator")], check=False, stdout=sys.stderr)
        if built.returncode:
            raise TodokeError(f"{EMULATOR} could not be built, see above; or name images by {', '.join(replacements)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
