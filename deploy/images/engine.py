"""The container engine of this machine: Docker, or Podman."""

import shutil
import subprocess
import sys
from collections.abc import Sequence

from deploy.local.processes import LocalFailure

_REMEDY = (
    "No container engine answers. Start Docker, or Podman with its API (`podman system service --time=0 "
    "unix:///run/podman/podman.sock`), and set DOCKER_HOST if its socket is not /var/run/docker.sock."
)


def program() -> str:
    """Return the engine's program: `docker`, or `podman` if only that answers. Raises LocalFailure with the remedy."""
    reasons = []
    for name in ("docker", "podman"):
        if shutil.which(name) is None:
            continue
        answer = subprocess.run([name, "version"], capture_output=True, text=True, timeout=60, check=False)
        if answer.returncode == 0:
            return name
        reasons += answer.stderr.strip().splitlines()[-1:]
    raise LocalFailure("\n".join([_REMEDY, *reasons]))


def run(*arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
    """Run one command of the engine and return what it printed. Raises LocalFailure with the end of its errors."""
    command = [program(), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise LocalFailure(f"{' '.join(command[:4])} … failed:\n{(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout


def build(target: str, tag: str, *, root: str, arguments: Sequence[str]) -> None:
    """Build one target of deploy/Dockerfile, with its progress on stderr. Raises LocalFailure."""
    command = [program(), "build", "-f", "deploy/Dockerfile", "--target", target, "-t", tag, *arguments, "."]
    if subprocess.run(command, cwd=root, stdout=sys.stderr, check=False).returncode != 0:
        raise LocalFailure(f"the image {tag} could not be built; see above")
