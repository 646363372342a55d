"""deploy/compose.yaml, started under its own names and ports."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from deploy.images import engine
from deploy.local.processes import LocalFailure, free_port, ready
from tests.support.eventually import NotYet, eventually

ROOT = Path(__file__).parents[2]
FILES = ("deploy/compose.yaml", "tests/containers/override.yaml")
SERVICES = ("api", "relay", "worker")
# Everything but Grafana, whose image is nowhere to be had without a registry.
STARTED = ("postgres", "queue", "store", "migrate", "setup", *SERVICES, "prometheus")


def compose_command() -> list[str]:
    """`docker compose` where the plugin is, else podman-compose from our own environment."""
    if engine.program() == "docker":
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60, check=False)
        if asked.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("podman") is None:
        raise LocalFailure("neither `docker compose` nor podman is here: install Docker's compose plugin or Podman")
    return [sys.executable, "-m", "podman_compose"]


class Stack:
    """The services of the compose file. Leaving the block takes containers and volumes away."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self.project = f"todoke-test-{os.getpid()}"
        self._compose = compose_command()
        self._secrets = Path(tempfile.mkdtemp(prefix="todoke-secrets-"))
        self._ports = {name: free_port() for name in ("api", "store", "prometheus", "postgres")}
        self._env = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "TODOKE_SECRETS": str(self._secrets),
            "TODOKE_CATALOG": str(ROOT / "tests" / "support" / "catalog"),
            "TODOKE_API_PORT": str(self._ports["api"]),
            "TODOKE_STORE_PORT": str(self._ports["store"]),
            "TODOKE_PROMETHEUS_PORT": str(self._ports["prometheus"]),
            "TEST_POSTGRES_PORT": str(self._ports["postgres"]),
            **images,
        }

    def __enter__(self) -> Self:
        subprocess.run(["sh", ROOT / "deploy/compose/secrets", self._secrets], check=True, timeout=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs())
        # podman-compose's `down` forgets what --scale has added.
        for container in [c for service in STARTED for c in self.containers(service, running=False)]:
            engine.run("rm", "--force", "--volumes", container)
        self.compose("down", "--volumes", "--timeout", "30", timeout_s=300)
        shutil.rmtree(self._secrets)

    def compose(self, *arguments: str, timeout_s: float = 300) -> str:
        """Run compose. Raises LocalFailure with the end of what it said."""
        files = [part for file in FILES for part in ("-f", str(ROOT / file))]
        done = subprocess.run(
            [*self._compose, "-p", self.project, *files, *arguments],
            cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise LocalFailure(f"compose {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def up(self, *services: str, scale: Mapping[str, int] | None = None) -> None:
        """Start these services, and nothing that they do not name."""
        scales = [("--scale", f"{name}={n}") for name, n in (scale or {}).items()]
        # Of several, podman-compose heeds the last alone; and it stops nothing that one call asks for and the next not.
        together = self._compose[0] == "docker" or len(scales) < 2
        for options in [sum(scales, ())] if together else scales:
            self.compose("up", "--detach", "--no-build", *options, *services)

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self._ports['api']}"

    @property
    def prometheus(self) -> str:
        """Where Prometheus answers."""
        return f"http://127.0.0.1:{self._ports['prometheus']}"

    def database_url(self) -> str:
        """The database, for a look as its owner."""
        return self._published("owner-database-url")

    def service_url(self, service: str) -> str:
        """The database, as that service logs in."""
        return self._published(f"{service}-database-url")

    def reader_url(self) -> str:
        """The database, as reports read it."""
        return self._published("report-source-url")

    def _published(self, secret: str) -> str:
        inside = (self._secrets / secret).read_text().strip()
        return inside.replace("@postgres:5432", f"@127.0.0.1:{self._ports['postgres']}")

    def containers(self, service: str, *, running: bool = True) -> list[str]:
        """Ids of that service's containers."""
        labels = {"com.docker.compose.project": self.project, "com.docker.compose.service": service}
        filters = [part for key, value in labels.items() for part in ("--filter", f"label={key}={value}")]
        return engine.run("ps", "--quiet", *([] if running else ["--all"]), *filters).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of it."""
        found: dict[str, Any] = json.loads(engine.run("inspect", container))[0]
        return found

    def kill(self, container: str) -> None:
        """As a crash or an out-of-memory would: no warning, and nobody starts it again."""
        engine.run("kill", "--signal", "KILL", container)
        eventually(lambda: not self.inspect(container)["State"]["Running"], what=f"{container} is dead")

    def stop(self, container: str, *, grace_s: int = 40) -> tuple[float, int]:
        """SIGTERM, then SIGKILL after the grace. Returns the seconds it took and the exit code."""
        began = time.monotonic()
        engine.run("stop", "--time", str(grace_s), container, timeout_s=grace_s + 60)
        return time.monotonic() - began, int(self.inspect(container)["State"]["ExitCode"])

    def start(self, container: str) -> None:
        """Start it again."""
        engine.run("start", container)

    def logs(self, *services: str) -> str:
        """The end of what the services' containers wrote."""
        parts = []
        for service in services or STARTED:
            for container in self.containers(service, running=False):
                command = [engine.program(), "logs", "--tail", "40", container]
                said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
                parts.append(f"--- {service} {container[:12]}\n{said.stdout}{said.stderr}")
        return "\n".join(parts)

    def until_ready(self, *, within_s: float = 180) -> None:
        """Wait until the API can reach what it needs."""
        eventually(lambda: ready(f"{self.url}/readyz"), within_s=within_s, what="the API is ready")

    def submit(self, key: str, body: Mapping[str, Any] | None = None) -> str:
        """Ask for a report until it is accepted, always with the same key."""

        def ask() -> str:
            try:
                answer = httpx.post(
                    f"{self.url}/generate-report", json=body or {}, headers={"Idempotency-Key": key}, timeout=20
                )
            except httpx.TransportError as error:
                raise NotYet(str(error)) from None
            if answer.status_code != 202:
                raise NotYet(f"{answer.status_code} {answer.text}")
            return str(answer.json()["jobId"])

        return eventually(ask, within_s=180, what="the submission is accepted")

    def job(self, job_id: str) -> dict[str, Any] | None:
        """The job as a client sees it; None while the API is away."""
        try:
            answer = httpx.get(f"{self.url}/jobs/{job_id}", timeout=20)
        except httpx.TransportError:
            return None
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def until(self, job_id: str, *states: str, within_s: float = 180) -> dict[str, Any]:
        """Wait until the job is in one of those states."""

        def look() -> dict[str, Any]:
            job = self.job(job_id)
            if job is None or job["status"] not in states:
                raise NotYet(job)
            return job

        return eventually(look, within_s=within_s, what=f"job {job_id} is {' or '.join(states)}")

    def until_final(self, jobs: Sequence[str]) -> list[dict[str, Any]]:
        """Wait until all have ended."""
        return [self.until(job, "SUCCESS", "FAILED", "CANCELLED") for job in jobs]
