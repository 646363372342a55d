"""A worker's parts for tests: its own engine, queue and renderer, and settings by their variables."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import Engine

from services.worker.assembly import Parts, Render
from services.worker.fitness import Fitness
from services.worker.settings import WorkerSettings
from services.worker.watched_queue import WatchedQueue
from shared.access.secret_keys import SecretKeys
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore
from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.model import CatalogView
from shared.queues.interface import Queue
from shared.reports.interface import RenderedFile

_UNUSED = {"DATABASE_URL": "postgresql://unused", "SQS_QUEUE_URL": "http://unused", "AWS_REGION": "unused"}


def renders_nothing(*_: object, **__: object) -> Sequence[RenderedFile]:
    """A renderer for tests in which no job makes a file."""
    raise AssertionError("no job of this test makes a file")


def worker_parts(
    engine: Engine,
    queue: Queue,
    folder: Path,
    *,
    render: Render = renders_nothing,
    store: ArtifactStore | None = None,
    catalog: CatalogView | None = None,
    name: str = "w",
    **settings: object,
) -> Parts:
    """Return the parts of a worker whose scratch folder is `folder`. Without `store` and `catalog`: a disk store below
    the folder, and the built-in catalog.
    """
    variables = {**_UNUSED, "WORKER_SCRATCH": folder, **settings}
    store = store or DiskStore(folder / "artifacts")
    read = WorkerSettings.from_environment({name: str(value) for name, value in variables.items()})
    fitness = Fitness(read.scratch, store.check)
    return Parts(
        settings=read,
        name=name,
        engine=engine,
        queue=WatchedQueue(queue, fitness),
        store=store,
        catalog=catalog or load_catalog(BUILTIN),
        render=render,
        signing_key=None,
        secret_keys=SecretKeys(read.secrets_key_file),
        fitness=fitness,
    )
