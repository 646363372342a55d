"""Reads jobs for all listeners: reads that come at the same time share one statement on the watcher's connection."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.watch import Watcher
from shared.jobs import read
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.read import Job

_MOST = 100
"""Jobs in one statement. A job may hold a quarter of a megabyte; most hold some hundred bytes."""


class Read(NamedTuple):
    """A job and its files."""

    job: Job
    artifacts: Sequence[Artifact]


class Feed:
    """Returns the newest state of jobs. For one event loop."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._wanted: dict[UUID, asyncio.Future[Read | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, job_id: UUID) -> Read | None:
        """Return the job as it is now; None if it is gone. Raises TimeoutError and the database's errors.

        No tenant or scope is checked here: the caller has already read the job with its own permissions.
        """
        wanted = self._wanted.get(job_id)
        if wanted is None:
            wanted = self._wanted[job_id] = asyncio.get_running_loop().create_future()
            wanted.add_done_callback(_retrieve)
            if self._reading is None:
                self._reading = asyncio.create_task(self._run())
        # Shielded, so that a caller that disconnects does not cancel the read for the others.
        return await asyncio.shield(wanted)

    async def _run(self) -> None:
        try:
            while self._wanted:
                batch = dict(list(self._wanted.items())[:_MOST])
                for job_id in batch:
                    del self._wanted[job_id]  # later callers get a newer answer
                try:
                    found = await self._watcher.ask(_read, list(batch))
                except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                    for future in batch.values():
                        future.set_exception(error)
                else:
                    for job_id, future in batch.items():
                        future.set_result(found.get(job_id))
        finally:
            self._reading = None


def _retrieve(future: "asyncio.Future[Read | None]") -> None:
    """Retrieve the error, so that Python does not complain if every caller has gone."""
    if not future.cancelled():
        future.exception()


def _read(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Read]:
    jobs = read.of_ids(conn, ids)
    files: dict[UUID, list[Artifact]] = {}
    for tenant in {job.tenant for job in jobs.values()}:
        files |= artifacts_of(conn, [job for job in jobs.values() if job.tenant == tenant], tenant=tenant)
    return {job_id: Read(job, files[job_id]) for job_id, job in jobs.items() if job.deleted_at is None}
