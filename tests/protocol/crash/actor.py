"""One service on a stage: its newest process behind doors that can break, and the faults planned for it."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.postgres.proxy import PostgresProxy
from tests.support.processes.zygote import Forked
from tests.support.sqs.server import Door

if TYPE_CHECKING:
    from tests.protocol.crash.stage import Stage

QUEUE = "jobs"
LATE_S = 0.8
"""Beyond the relay's deadline, within everybody else's."""
_IDLE_IN_TRANSACTION = "1500ms"
"""What frees the rows of a relay that froze in mid-transaction; 30 s in production."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Carried:
    """A fault that happened."""

    hit: Hit
    fault: Fault


class Actor:
    """One service: its newest process, the wires to it, and what is planned against it."""

    def __init__(self, stage: "Stage", name: str, database_url: str, *, service: str = "", **env: str) -> None:
        parts = urlsplit(database_url)
        self.name = name
        self._service = service or name
        self.busy_when_idle = name == "relay"
        """It has effects without any work: it claims nothing every few milliseconds."""
        self._stage = stage
        self._watch = stage.folder / f"watch-{name}"
        self._watch.mkdir()
        self.proxy = PostgresProxy(str(parts.hostname), int(parts.port or 5432), late_s=LATE_S)
        self.door = Door(stage.queues, late_s=LATE_S)
        self.env = {
            **self.door.environment(),
            "SQS_QUEUE_URL": self.door.queue_url(QUEUE),
            "DATABASE_URL": _patient(self.proxy.url(database_url)),
            **env,
        }
        self.plan = Plan()
        self._number = 0
        self._planned: list[tuple[Hit, Fault]] = []
        self.process: Forked | None = None
        self.arm({})

    def start(self, *arguments: str, **changes: str) -> Forked:
        """Start its process, or its successor. The API's has a port of its own: the old one may be taken still."""
        stage = self._stage
        env = {**stage.env, **self.env, "API_PORT": str(stage.new_port(self.name)), **changes}
        log = stage.folder / f"{self.name}.log"
        log.touch()
        self.process = stage.zygote.start(
            f"services.{self._service}", env=env, log=log, arguments=arguments, watch=self._watch
        )
        self.plan.pid = self.process.pid
        return self.process

    def arm(self, faults: Mapping[Hit, Fault]) -> None:
        """From now on count anew, and let these faults happen to the process that runs now."""
        self._number = next(_numbers)
        self._planned = list(faults.items())
        plan = {"number": self._number, "faults": [[hit.effect, hit.time, fault] for hit, fault in self._planned]}
        part = self._watch / "plan.part"
        part.write_text(json.dumps(plan))
        (self._watch / "seen").write_text("")
        part.rename(self._watch / "plan.json")
        self.plan = Plan(faults)
        self.plan.pid = self.process.pid if self.process else None
        self.proxy.faults = self.door.faults = self.plan
        if self.name == "relay":
            self._stage.told.faults = self.plan

    def seen(self) -> list[str]:
        """Its effects since it was armed, in order: on the wires, then on files."""
        return [*self.plan.seen, *(self._watch / "seen").read_text().splitlines()]

    def carried_out(self) -> list[Carried]:
        """What went wrong as planned since it was armed."""
        on_files = [(self._watch / f"done-{self._number}-{n}").exists() for n in range(len(self._planned))]
        done = [planned for planned, happened in zip(self._planned, on_files, strict=True) if happened]
        return [Carried(hit, fault) for hit, fault in [*self.plan.carried_out, *done]]

    def ready(self) -> bool:
        """True once its newest process has said so."""
        said = f':{self.process.pid if self.process else 0}"'
        lines = (self._stage.folder / f"{self.name}.log").read_text(errors="replace").splitlines()
        return any("worker.ready" in line and said in line for line in lines)

    def struck(self) -> bool:
        """True when its process is dead or frozen."""
        return self.process is None or self.process.poll() is not None or frozen(self.process)

    def close(self) -> None:
        """End everything."""
        if self.process is not None:
            self.process.kill()
        self.plan.resumed.set()
        self.proxy.cut()
        self.proxy.__exit__(None, None, None)
        self.door.__exit__(None, None, None)


def _patient(url: str) -> str:
    """The URL with a session's bounds as the services set them, but for one that the tests would wait for."""
    bounds = {"idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION, "statement_timeout": "30s",
              "lock_timeout": "10s", "timezone": "UTC"}  # fmt: skip
    return f"{url}?options=" + "%20".join(f"-c%20{name}%3D{value}" for name, value in bounds.items())


def takes(process: Forked, number: int) -> bool:
    """True once it has a handler for the signal; one that has only begun is ended by it."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    [mask] = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def frozen(process: Forked) -> bool:
    """True when it is stopped by a signal."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):  # it was gone before the file was opened, or read
        return False
