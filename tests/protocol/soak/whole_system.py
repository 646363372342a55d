"""The whole system on this machine, with possible faults at every joint."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import migrations
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.processes import Process
from shared.database.engine import create_engine
from tests.protocol.soak.told import Told
from tests.support.faults.tcp_proxy import Proxy
from tests.support.history.facts import Catalog, Died, Locked
from tests.support.postgres import power
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services
from tests.support.sqs.server import Door

LEASE_S = 3.0
CREW = {"api": 1, "relay": 2, "worker": 2}
"""How many processes of each service there should be."""


@dataclass
class Stage:
    """PostgreSQL, a proxy before it for each service, the queue, the services, and what was done to them."""

    postgres: EmbeddedPostgres
    url: str
    door: Door
    proxies: Mapping[str, Proxy]
    services: Services
    folder: Path
    told: Told
    died: list[Died] = field(default_factory=list)
    locked: list[Locked] = field(default_factory=list)
    catalogs: list[Catalog] = field(default_factory=list)
    _frozen: list[Process] = field(default_factory=list)

    def alive(self, name: str) -> list[Process]:
        """The running processes of a service, frozen ones among them."""
        return self.services.alive(name)

    def restore(self) -> None:
        """Start what is missing, without waiting for it."""
        for name, wanted in CREW.items():
            for _ in range(wanted - len(self.alive(name))):
                self.services.start(name, wait=False)

    def kill(self, name: str, process: Process) -> None:
        """kill -9."""
        process.kill()
        process.wait(30)
        self.mark_death(name, process, time.time())

    def freeze(self, process: Process) -> None:
        """SIGSTOP."""
        self._frozen.append(process)
        process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT whatever was frozen, by us or by itself."""
        for process in [*self._frozen, *(p for name in CREW for p in self.alive(name))]:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        self._frozen.clear()

    def mark_death(self, name: str, process: Process, at: float) -> None:
        """A worker did not renew any lease after `at`."""
        if name == "worker":
            self.died.append(Died(worker_name(process), at))

    def crash_postgres(self) -> None:
        """kill -9 of the postmaster and every backend, then a new start: recovery from the log."""
        power.cut(self.postgres)
        self.postgres.start()

    def heal(self) -> None:
        """No fault is left: everything runs, nothing is frozen, every joint is sound, whoever is told is well."""
        self.thaw()
        self.door.faults = _Calm()
        self.told.calm.set()
        for proxy in self.proxies.values():
            proxy.delay_s, proxy.refusing = 0.0, False
            proxy.thaw()
        self.restore()


class _Calm:
    def at(self, _effect: str) -> None:
        """Nothing goes wrong."""


@contextlib.contextmanager
def stage(folder: Path, *, seed: int) -> Iterator[Stage]:
    """Everything started and ready."""
    with contextlib.ExitStack() as stack:
        # A crash here is one of processes: what a process has written, the system keeps without fsync.
        settings = {"fsync": "off", "max_connections": "300"}
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", settings=settings))
        postgres.create_database("todoke")
        url = postgres.dsn("todoke")
        migrations.upgrade(url)
        door = stack.enter_context(Door())
        door.queues.make("jobs", max_receive_count=50)
        where = urlsplit(url)
        assert where.port is not None
        proxies = {name: stack.enter_context(Proxy("127.0.0.1", where.port)) for name in CREW}
        urls = {name: proxies[name].url(own) for name, own in service_urls(url).items() if name in CREW}
        told = stack.enter_context(Told(seed))
        engine = create_engine(url, application_name="soak")
        with engine.connect() as conn:
            told.join(conn, folder)
        engine.dispose()
        services = stack.enter_context(
            Services(
                folder,
                database_urls=urls,
                queue_url=door.queue_url("jobs"),
                aws=door.environment(),
                REPORT_SOURCE_URL=url,
                WORKER_LEASE_S=f"{LEASE_S:g}",
                WORKER_SLOTS="3",
                JOB_MAX_CRASHES="20",
                **Told.settings(folder),
            )
        )
        for name, wanted in CREW.items():
            for _ in range(wanted):
                services.start(name)
        yield Stage(postgres, url, door, proxies, services, folder, told)


def worker_name(process: Process) -> str:
    """As `job_events.worker` names it."""
    return f"{socket.gethostname()}:{process.pid}"


def is_stopped(process: Process) -> bool:
    """Whether the process is frozen."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def make_folder(path: Path) -> Path:
    """A folder that PostgreSQL's own account can reach."""
    path.mkdir(parents=True, exist_ok=True)
    os.chmod(path, 0o755)  # noqa: S103, PTH101
    return path
