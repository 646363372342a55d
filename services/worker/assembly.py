"""The worker's parts, made from its settings once, at start."""

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import Engine

from services.worker.fitness import Fitness
from services.worker.settings import WorkerSettings
from services.worker.watched_queue import WatchedQueue
from shared.access.secret_keys import SecretKeys
from shared.artifacts.interface import ArtifactStore
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.catalog.model import CatalogView
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.statements import measure_statements
from shared.queues.interface import Queue
from shared.queues.sqs import SqsQueue
from shared.reports.interface import RenderedFile
from shared.reports.manifest import load_private_key
from shared.reports.process import child
from shared.runtime.metrics.common import observe_statement
from shared.runtime.metrics.queue import count_queue_request
from shared.runtime.ops_server import Checks
from shared.runtime.settings import SettingsError

_CONNECTIONS = 4
"""The starter, the heartbeat and the finisher run one statement each at a time; one connection is spare."""

Render = Callable[..., Sequence[RenderedFile]]
"""`shared.reports.process.child.render`, or a stand-in with its signature."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the worker's loops stand on. Each loop takes from it what it needs."""

    settings: WorkerSettings
    name: str
    """Names this process in the rows of the jobs that it holds, and in the log."""
    engine: Engine
    queue: Queue
    store: ArtifactStore
    catalog: CatalogView
    render: Render
    signing_key: Ed25519PrivateKey | None
    """Signs manifests; None leaves them unsigned."""
    secret_keys: SecretKeys
    """The keys that open the passwords of files."""
    fitness: Fitness
    """Whether this worker is able to work."""

    @property
    def checks(self) -> Checks:
        """The dependencies that must answer before the worker is ready."""
        return {
            "database": lambda: check_database(self.engine),
            "queue": self.queue.check,
            "artifact store": self.store.check,
            "worker": self.fitness.check,
        }


def assemble(settings: WorkerSettings) -> Parts:
    """Open what the settings name, and follow the catalog. Call it from the main thread.

    Nothing is connected yet. Raises TodokeError.
    """
    catalog = LiveCatalog(settings.catalog_path or BUILTIN)
    _make_usable(settings.scratch)
    store = open_store(settings.artifact_url, region=settings.aws_region, s3_without=settings.s3_without)
    fitness = Fitness(settings.scratch, store.check)
    queue = SqsQueue(
        settings.sqs_queue_url,
        region=settings.aws_region,
        dead_letter_url=settings.sqs_dlq_url,
        client=settings.sqs_client,
        on_request=count_queue_request,
    )
    parts = Parts(
        settings=settings,
        name=f"{socket.gethostname()}:{os.getpid()}",
        engine=_engine(settings),
        queue=WatchedQueue(queue, fitness),
        store=store,
        catalog=catalog,
        render=child.render,
        signing_key=_signing_key(settings.manifest_key),
        secret_keys=SecretKeys(settings.secrets_key_file),
        fitness=fitness,
    )
    catalog.follow()
    return parts


def _engine(settings: WorkerSettings) -> Engine:
    engine = create_engine(
        settings.database_url_of_today,
        application_name="todoke-worker",
        pool_size=_CONNECTIONS,
        through_pooler=settings.through_pooler,
    )
    measure_statements(engine, observe_statement)
    return engine


def _signing_key(path: Path | None) -> Ed25519PrivateKey | None:
    try:
        return load_private_key(path.read_bytes()) if path else None
    except OSError as error:
        raise SettingsError(f"MANIFEST_KEY_FILE: {path} cannot be read: {error.strerror}") from None


def _make_usable(scratch: Path) -> None:
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=scratch).close()
    except OSError as error:
        raise SettingsError(f"WORKER_SCRATCH: nothing can be written to {scratch}: {error.strerror}") from None
