"""Erasures remove the files of jobs that clients have deleted, and the files that lost attempts of such jobs left
behind.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import UUID

from sqlalchemy.engine import Engine

from services.relay import metrics
from services.relay.stored_files import delete_files
from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable, parse_key
from shared.database.engine import transactional
from shared.jobs import erasure, retention
from shared.jobs.erasure import Erasure
from shared.jobs.retention import StoredFile

log = logging.getLogger(__name__)

_TAKE = 25
"""Jobs per commit. On S3 each costs a listing and a deletion, so a commit takes some seconds at most."""
_MOST_FILES = 1_000
"""Files per job and pass. A job with more, which many lost attempts may leave, takes several passes."""
_UNFINISHED_S, _AWAY_S = 10.0, 600.0
"""The longest pause before another look at a job that an attempt still holds, and at one whose files could not be
removed."""


class Erasures:
    """One relay's share of the erasures. Any number may run: SKIP LOCKED gives each its own rows.

    A crash may follow any durable step. Files are removed before their rows, and the row of the erasure last, so after
    any crash the next pass continues.
    """

    def __init__(self, engine: Engine, store: ArtifactStore) -> None:
        self._engine = engine
        self._store = store

    def run_once(self) -> int:
        """Carry out some erasures. Returns how many; while there are more, the next pass follows at once."""
        with self._engine.connect() as conn:
            if not erasure.waiting(conn):
                return 0
        with transactional(self._engine).connect() as conn:
            due = erasure.claim(conn, limit=_TAKE)
            files = self._files_of_all([one for one in due if one.ended])
            gone = delete_files(self._store, [file for of_one in files.values() for file in of_one or ()])
            if gone:
                retention.drop(conn, gone)
            done = self._gone_whole(files, gone)
            erased = erasure.done(conn, list(done))
            erasure.later(conn, [one.job_id for one in due if not one.ended], most_s=_UNFINISHED_S)
            erasure.later(conn, [job_id for job_id in files if job_id not in done], most_s=_AWAY_S)
            conn.commit()
        metrics.RETIRED.labels("erased").inc(len(gone))
        for job_id in done:
            log.info("job.erased", extra={"job_id": job_id})
        return erased

    def _files_of_all(self, due: Sequence[Erasure]) -> dict[UUID, list[StoredFile] | None]:
        """Return the files of each job; None for a job whose files cannot be listed.

        A store that is unavailable is asked only once, because the transaction is open and has half a minute.
        """
        files: dict[UUID, list[StoredFile] | None] = {}
        away = False
        for one in due:
            files[one.job_id] = None if away else self._files(one)
            away = files[one.job_id] is None
        return files

    def _files(self, one: Erasure) -> list[StoredFile] | None:
        """Return every file of the job that the store lists or a row names; None if the store cannot be asked."""
        prefix = f"reports/{one.tenant}/{one.job_id}/"
        try:
            keys = [parse_key(found.key) for found in islice(self._store.list(prefix), _MOST_FILES)]
        except ArtifactStoreUnavailable as error:
            log.warning("erasure.store_away", extra={"reason": str(error)})
            return None
        return list({StoredFile(*parts) for parts in keys if parts is not None} | set(one.files))

    @staticmethod
    def _gone_whole(files: Mapping[UUID, list[StoredFile] | None], gone: Sequence[StoredFile]) -> set[UUID]:
        """Return the jobs that have no file left in the store, as far as this pass has looked."""
        kept = {file.job_id for of_one in files.values() for file in set(of_one or ()).difference(gone)}
        looked = {job_id for job_id, of_one in files.items() if of_one is not None and len(of_one) < _MOST_FILES}
        return looked - kept
