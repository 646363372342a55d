"""The content of the images, and the behaviour of each container alone."""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import pytest

from deploy.images import engine
from deploy.images.__main__ import TARGETS, size_mb
from tests.containers.stack import ROOT
from tests.support.eventually import eventually
from tests.unit.test_images import NOT_IN

HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# MB of 1,000,000 bytes, unpacked, the base included: what was measured and a quarter more.
MOST_MB = {"api": 350, "relay": 320, "worker": 720, "migrate": 290}

_TOP_LEVEL = """
import importlib.metadata as im, json, pkgutil, re
modules = sorted(m.name for m in pkgutil.iter_modules())
own = sorted(m.name for p in ("services", "shared") for m in pkgutil.iter_modules(__import__(p).__path__, p + "."))
packages = sorted({re.sub(r"[-_.]+", "-", d.name).lower() for d in im.distributions()})
print(json.dumps({"modules": modules, "own": own, "packages": packages}))
"""


def image(target: str, tag: str) -> str:
    return f"todoke/{target}:{tag}"


def inside(target: str, tag: str, *command: str, stdin: str | None = None) -> str:
    entry = ["--entrypoint", command[0]]
    rest = command[1:]
    return engine.run("run", "--rm", "-i", *HARDENED, *entry, image(target, tag), *rest, stdin=stdin)


def configuration(target: str, tag: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.run("image", "inspect", image(target, tag)))[0]["Config"]
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_can_import_its_own_service_the_command_and_nothing_else(target: str, tag: str) -> None:
    found = json.loads(inside(target, tag, "python", "-", stdin=_TOP_LEVEL))
    own = {"services.cli"} | ({f"services.{target}"} if target != "migrate" else set())

    print(f"{target}: {' '.join(found['packages'])}")
    assert {name for name in found["own"] if name.startswith("services.")} == own
    assert ("migrations" in found["modules"]) == (target == "migrate")
    assert set(found["packages"]) & {*NOT_IN[target], "pip", "setuptools", "wheel", "pytest"} == set()
    assert set(found["modules"]) & {"pip", "ensurepip", "setuptools", "tests", "deploy"} == set()


@pytest.mark.parametrize("target", TARGETS)
def test_no_compiler_and_no_way_to_fetch_anything(target: str, tag: str) -> None:
    look = "for tool in cc gcc g++ c++ clang ld make pip pip3 curl wget git; do command -v $tool; done; true"

    assert inside(target, tag, "sh", "-c", look) == ""


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_user_10001_without_any_capability(target: str, tag: str) -> None:
    status = inside(target, tag, "cat", "/proc/self/status")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert lines["Uid"].split() == ["10001"] * 4
    assert lines["CapEff"] == lines["CapBnd"] == "0" * 16
    assert lines["NoNewPrivs"] == "1"


@pytest.mark.parametrize("target", TARGETS)
def test_only_the_scratch_volume_can_be_written_to(target: str, tag: str) -> None:
    # Not /tmp: Podman puts a tmpfs there for a read-only root, Docker does not.
    look = "for d in / /opt/todoke /var/lib /etc /usr; do touch $d/x 2>/dev/null && echo $d; done; touch /scratch/x"

    assert inside(target, tag, "sh", "-c", look) == ""
    assert list(configuration(target, tag)["Volumes"]) == ["/scratch"]


@pytest.mark.parametrize("target", TARGETS)
def test_it_says_what_it_is(target: str, tag: str) -> None:
    labels = configuration(target, tag)["Labels"]

    assert labels["org.opencontainers.image.title"] == f"todoke-{target}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert labels["org.opencontainers.image.version"]


@pytest.mark.parametrize("target", TARGETS)
def test_its_size_is_reasonable(target: str, tag: str) -> None:
    assert size_mb(image(target, tag)) < MOST_MB[target]


@pytest.mark.parametrize("target", ["api", "relay", "worker"])
def test_as_pid_1_it_answers_its_healthcheck_and_ends_on_sigterm(target: str, tag: str) -> None:
    """Without a database or a queue: health means that the process answers, and a start can be called off."""
    environment = {
        "DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/todoke", "SQS_QUEUE_URL": "http://127.0.0.1:9/0/q",
        "AWS_REGION": "us-east-1", "ARTIFACT_URL": "file:///scratch", "API_AUTH_NONE_IS_OK": "yes",
    }  # fmt: skip
    options = _environment(environment)
    container = engine.run("run", "--detach", *HARDENED, *options, image(target, tag)).strip()
    try:
        if target != "api":  # the API listens once it can answer
            eventually(lambda: _succeeds("exec", container, *_healthcheck(target)), what=f"{target} is healthy")
        eventually(lambda: "waiting_for" in _said(container), what=f"{target} says what it waits for")
        began = time.monotonic()
        engine.run("stop", "--time", "30", container)
        assert time.monotonic() - began < 20
        assert _state(container)["ExitCode"] == 0, _said(container)
    finally:
        engine.run("rm", "--force", "--volumes", container)


def test_the_api_does_not_serve_everybody_unless_told_so(tag: str) -> None:
    """A container's API listens on every address, so without keys it refuses to start, and says what to set."""
    environment = {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/todoke", "ARTIFACT_URL": "file:///scratch"}
    container = engine.run("run", "--detach", *HARDENED, *_environment(environment), image("api", tag)).strip()
    try:
        ended = eventually(lambda: _state(container)["Status"] == "exited" and _state(container), what="the API ends")
        assert ended["ExitCode"] == 1
        assert "API_AUTH_NONE_IS_OK=yes" in _said(container)
    finally:
        engine.run("rm", "--force", "--volumes", container)


def test_secrets_are_neither_in_an_image_nor_in_its_history(tag: str) -> None:
    for target in TARGETS:
        history = engine.run("history", "--no-trunc", image(target, tag))
        environment = configuration(target, tag)["Env"]
        assert not [line for line in [*history.splitlines(), *environment] if "password" in line.lower()]


def _environment(variables: Mapping[str, str]) -> list[str]:
    return [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]


def _healthcheck(target: str) -> list[str]:
    """From the Dockerfile: Podman's own image format has no place for it, and drops it."""
    stage = (ROOT / "deploy" / "Dockerfile").read_text().split(f" AS {target}\n")[1].split("\nFROM ")[0]
    [command] = re.findall(r"^HEALTHCHECK [^\n]*\\\n +CMD (.*)$", stage, re.MULTILINE)
    return list(json.loads(command))


def _state(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.run("inspect", container))[0]["State"]
    return found


def _succeeds(*command: str) -> bool:
    return subprocess.run([engine.program(), *command], capture_output=True, timeout=60, check=False).returncode == 0


def _said(container: str) -> str:
    command = [engine.program(), "logs", container]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return said.stdout + said.stderr
