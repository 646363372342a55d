"""The three services as real processes, to be started, killed, frozen and stopped."""

import io
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from deploy.local.processes import Process, free_port, ready, spawn, stop
from tests.support.eventually import NotYet, eventually
from tests.support.processes.zygote import Zygote
from todoke import Todoke, errors

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "tests" / "support" / "catalog"


class Services:
    """Services over one database and one queue. Leaving the block ends all of them."""

    def __init__(
        self, folder: Path, *, database_urls: dict[str, str], queue_url: str, aws: dict[str, str],
        host: str = "127.0.0.1", zygote: Zygote | None = None, **env: str,
    ) -> None:  # fmt: skip
        """`zygote` forks the services, which saves each of them its imports; otherwise each starts a new Python.

        It has imported all services, so each shows the metrics of all.
        """
        self._zygote = zygote
        self._host = f"[{host}]" if ":" in host else host
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self._ports = {name: free_port() for name in ("api", "relay", "worker")}
        self._running: dict[str, list[Process]] = {"api": [], "relay": [], "worker": []}
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
        # Each try has its own connection, so that it reaches whichever process answers now, and the client never
        # reconnects by itself.
        self._http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
        self.todoke = Todoke(self.url, "", timeout=20, max_retries=0, http_client=self._http)
        """Makes a single try, whatever happens."""

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
        self._http.close()
        if error is not None:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")

    def port(self, name: str) -> int:
        """Return the metrics port of the service's first process."""
        return self._ports[name]

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://{self._host}:{self._ports['api']}"

    def start(
        self,
        name: str,
        *,
        wait: bool = True,
        launcher: bool = False,
        port: int = 0,
        log: str = "",
        **env: str,
    ) -> Process:
        """Start one more process of that service; with `wait`, until it is ready, or dead if STOP_AT ends it.

        `port` is for its metrics: by default the service's own for the first process, any for the others. `log` is its
        log file, by default one for the whole service.
        """
        port = port or (free_port() if self.alive(name) else self._ports[name])
        module = ["tests.support.processes.launcher", f"services.{name}"] if launcher else [f"services.{name}"]
        environment = {**self._env, "DATABASE_URL": self._database_urls[name], "METRICS_PORT": str(port), **env}
        file = self.folder / (log or f"{name}.log")
        process: Process
        # The launcher and a supervisor of several processes depend on their own command line.
        if self._zygote is None or launcher or "API_WORKERS" in environment:
            process = spawn([sys.executable, "-m", *module], env=environment, log=file, cwd=ROOT)
        else:
            process = self._zygote.start(*module, env=environment, log=file)
        self._running[name].append(process)
        if wait:
            url = f"http://{self._host}:{port}/readyz"
            eventually(lambda: process.poll() is not None or ready(url), within_s=90, what=f"{name} is ready")
            assert process.poll() is None or "STOP_AT" in env, f"{name} ended with {process.returncode} at its start"
        return process

    def fork_none(self) -> None:
        """Start every service in a new Python from now on: for tests of what a service alone declares."""
        self._zygote = None

    def metrics(self, name: str) -> str:
        """Return the metrics of the service's first process."""
        return httpx.get(f"http://{self._host}:{self._ports[name]}/metrics", timeout=10).text

    def ready(self, name: str) -> bool:
        """True if the service's first process reports that it is ready."""
        return ready(f"http://{self._host}:{self._ports[name]}/readyz")

    def kill(self, name: str) -> None:
        """Send SIGKILL to every process of that service."""
        for process in self.alive(name):
            process.kill()
            process.wait(30)

    def stop(self, name: str) -> float:
        """Send SIGTERM to every process of that service. Returns the seconds that it took; fails if one had to be
        killed.
        """
        began = time.monotonic()
        for process in self.alive(name):
            assert stop(process, timeout_s=60), f"{name} did not stop on SIGTERM"
            assert process.returncode == 0, f"{name} ended with {process.returncode}"
        return time.monotonic() - began

    def alive(self, name: str) -> list[Process]:
        """Return the processes of that service that have not ended."""
        return [p for p in self._running[name] if p.poll() is None]

    def submit(self, key: str, body: dict[str, Any] | None = None) -> str:
        """Submit a report until it is accepted, as a careful client does: always with the same key."""

        kind, parameters, formats = ((body or {}).get(name) for name in ("reportType", "parameters", "formats"))

        def ask() -> str:
            try:
                made = self.todoke.jobs.create(kind, parameters, formats=formats, idempotency_key=key)
            except errors.TodokeError as error:
                raise NotYet(f"{error} from {self.url}, API processes {self._running['api']}") from None
            return made.id

        return eventually(ask, within_s=90, what="the submission is accepted")

    def file(self, job_id: str, name: str | None = None) -> bytes:
        """Return the job's only file, or that of this name, as a client gets it: checked against the job's data."""
        content = io.BytesIO()
        self.todoke.jobs.download_into(job_id, content, name)
        return content.getvalue()

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Return the job as a client sees it; None while the API is unreachable."""
        try:
            return dict(self.todoke.jobs.get(job_id).raw)
        except (errors.ConnectionFailed, errors.ApiError):
            return None

    def until_final(self, job_id: str, *, within_s: float = 90) -> dict[str, Any]:
        """Wait until the job has ended, as clients do: over its stream, and again when the API is back."""
        try:
            final = self.todoke.jobs.wait(job_id, timeout=within_s)
        except (errors.JobFailed, errors.JobCancelled) as ended:
            final = ended.job
        return dict(final.raw)

    def until(self, job_id: str, status: str) -> None:
        """Wait until the job is in that state."""
        eventually(lambda: (self.job(job_id) or {}).get("status") == status, what=f"{job_id} is {status}")

    def cancel(self, job_id: str) -> None:
        """Ask to cancel until the API has accepted the request, or says that it is too late."""

        def ask() -> bool:
            try:
                self.todoke.jobs.cancel(job_id)
            except errors.Conflict:
                return True
            except (errors.ConnectionFailed, errors.ApiError):
                return False
            return True

        eventually(ask, within_s=90, what="the cancellation is taken")


def api_processes(supervisor: int) -> list[int]:
    """Return the ids of an API's own processes below its supervisor."""
    found = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(each) for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
