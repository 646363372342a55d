"""The three services as real processes, to be started, killed, frozen and stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from deploy.local.processes import free_port, ready, spawn, stop
from tests.support.eventually import NotYet, eventually

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "tests" / "support" / "catalog"


class Services:
    """Services over one database and one queue. Leaving the block ends every one of them."""

    def __init__(
        self, folder: Path, *, database_urls: dict[str, str], queue_url: str, aws: dict[str, str],
        host: str = "127.0.0.1", **env: str,
    ) -> None:  # fmt: skip
        self._host = f"[{host}]" if ":" in host else host
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self._ports = {name: free_port() for name in ("api", "relay", "worker")}
        self._running: dict[str, list[subprocess.Popen[bytes]]] = {"api": [], "relay": [], "worker": []}
        self._database_urls = database_urls
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            **aws,
            "SQS_QUEUE_URL": queue_url,
            "CATALOG_PATH": str(CATALOG),
            "ARTIFACT_URL": self.artifacts.as_uri(),
            "API_HOST": host,
            "API_PORT": str(self._ports["api"]),
            "METRICS_HOST": host,
            "WORKER_LEASE_S": "3",
            "WORKER_HEARTBEAT_S": "0.3",
            "WORKER_POLL_S": "2",
            "WORKER_SLOTS": "4",
            "JOB_RING_AFTER_S": "5",
            "RELAY_SWEEP_EVERY_S": "0.3",
            "RELAY_SPARE_S": "0.6",
            **env,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for processes in self._running.values():
            for process in processes:
                process.send_signal(signal.SIGCONT) if process.poll() is None else None
                process.kill()
                process.wait(30)
        if error is not None:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")

    def port(self, name: str) -> int:
        """Where the first process of that service shows its metrics."""
        return self._ports[name]

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://{self._host}:{self._ports['api']}"

    def start(
        self, name: str, *, wait: bool = True, launcher: bool = False, port: int = 0, log: str = "", **env: str
    ) -> subprocess.Popen[bytes]:
        """Start one more process of that service; with `wait`, until it is ready, or dead where STOP_AT dooms it.

        `port` is where it shows its metrics: the service's own for the first process unless given, any for the others.
        `log` is the file that it writes to, one for all of the service unless given.
        """
        port = port or (free_port() if self.alive(name) else self._ports[name])
        module = ["tests.support.processes.launcher", f"services.{name}"] if launcher else [f"services.{name}"]
        process = spawn(
            [sys.executable, "-m", *module],
            env={**self._env, "DATABASE_URL": self._database_urls[name], "METRICS_PORT": str(port), **env},
            log=self.folder / (log or f"{name}.log"),
            cwd=ROOT,
        )
        self._running[name].append(process)
        if wait:
            url = f"http://{self._host}:{port}/readyz"
            eventually(lambda: process.poll() is not None or ready(url), within_s=90, what=f"{name} is ready")
            assert process.poll() is None or "STOP_AT" in env, f"{name} ended with {process.returncode} at its start"
        return process

    def metrics(self, name: str) -> str:
        """What the first process of that service has counted."""
        return httpx.get(f"http://{self._host}:{self._ports[name]}/metrics", timeout=10).text

    def ready(self, name: str) -> bool:
        """Whether the first process of that service says it is ready."""
        return ready(f"http://{self._host}:{self._ports[name]}/readyz")

    def kill(self, name: str) -> None:
        """kill -9 every process of that service."""
        for process in self.alive(name):
            process.kill()
            process.wait(30)

    def stop(self, name: str) -> float:
        """SIGTERM every process of that service. Returns the seconds it took; fails if one had to be killed."""
        began = time.monotonic()
        for process in self.alive(name):
            assert stop(process, timeout_s=60), f"{name} did not stop on SIGTERM"
            assert process.returncode == 0, f"{name} ended with {process.returncode}"
        return time.monotonic() - began

    def alive(self, name: str) -> list[subprocess.Popen[bytes]]:
        """The processes of that service that have not ended."""
        return [p for p in self._running[name] if p.poll() is None]

    def submit(self, key: str, body: dict[str, Any] | None = None) -> str:
        """Ask for a report until it is accepted, as a careful client does: always with the same key."""

        def ask() -> str:
            try:
                answer = httpx.post(
                    f"{self.url}/generate-report", json=body or {}, headers={"Idempotency-Key": key}, timeout=20
                )
            except httpx.TransportError as error:
                raise NotYet(f"{error} from {self.url}, API processes {self._running['api']}") from None
            if answer.status_code != 202:
                raise NotYet(f"{answer.status_code} {answer.text}")
            return str(answer.json()["jobId"])

        return eventually(ask, within_s=90, what="the submission is accepted")

    def job(self, job_id: str) -> dict[str, Any] | None:
        """The job as a client sees it; None while the API is away."""
        try:
            answer = httpx.get(f"{self.url}/jobs/{job_id}", timeout=20)
        except httpx.TransportError:
            return None
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def until_final(self, job_id: str, *, within_s: float = 90) -> dict[str, Any]:
        """Wait until the job has ended."""

        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job and job["status"] in {"SUCCESS", "FAILED", "CANCELLED"} else None

        final = eventually(look, within_s=within_s, what=f"job {job_id} is final")
        assert final is not None
        return final

    def until(self, job_id: str, status: str) -> None:
        """Wait until the job is in that state."""
        eventually(lambda: (self.job(job_id) or {}).get("status") == status, what=f"{job_id} is {status}")

    def cancel(self, job_id: str) -> None:
        """Ask to cancel until the API has taken the wish, or says that it is too late."""

        def ask() -> bool:
            try:
                return httpx.post(f"{self.url}/jobs/{job_id}:cancel", timeout=20).status_code in {200, 202, 409}
            except httpx.TransportError:
                return False

        eventually(ask, within_s=90, what="the cancellation is taken")


def api_processes(supervisor: int) -> list[int]:
    """The ids of an API's own processes below its supervisor."""
    found = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(each) for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
