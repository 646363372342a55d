"""Group commit: what arrives while one commit is under way becomes the next one.

Alone, a request costs one statement and one commit; 32 at once share them. Each is answered from its own row.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.database import DatabaseUnavailable, autocommit, is_unavailable, raise_if_unconfirmed
from shared.errors import TodokeError
from shared.jobs.submit import Accepted, IdempotencyKeyReused, Submission, submit
from shared.metrics import api as metrics

log = logging.getLogger(__name__)

Answer = Accepted | IdempotencyKeyReused
_Waiting = tuple[Submission, "Future[Answer]"]


class TooBusy(TodokeError):
    """More submissions wait for the database than it makes sense to queue."""


class Submitter:
    """One thread and one statement at a time. `close` lets what is waiting finish."""

    def __init__(self, engine: Engine, *, most: int = 128, waiting: int = 1024) -> None:
        self._engine = autocommit(engine)
        self._most = most
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._run, name="submitter", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> "Future[Answer]":
        """The answer, once it is committed. Raises TooBusy at once; the future raises the database's errors.

        The job is made even if the caller goes away meanwhile: its row may be in the statement already.
        """
        future: Future[Answer] = Future()
        try:
            self._queue.put_nowait((submission, future))
        except queue.Full:
            raise TooBusy("the database is slower than the requests; try again shortly") from None
        return future

    def close(self) -> None:
        """Commit what is waiting, then stop."""
        self._queue.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            stopping = False
            while len(batch) < self._most and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    stopping = True
                    break
                batch.append(following)
            metrics.SUBMIT_BATCH.observe(len(batch))
            self._commit(batch)
            if stopping:
                return

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = self._execute([submission for submission, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to the requests, not to this thread
            if len(batch) > 1 and isinstance(error, DBAPIError) and not is_unavailable(error):
                # One bad row must not harm the others.
                for one in batch:
                    self._commit([one])
                return
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _execute(self, submissions: Sequence[Submission]) -> Sequence[Answer]:
        try:
            return self._once(submissions)
        except (DBAPIError, PoolTimeout, DatabaseUnavailable) as error:
            if isinstance(error, DBAPIError) and not is_unavailable(error):
                raise
            # A connection that went stale, or a commit whose reply was lost: the ids are ours, so twice is once.
            log.info("submit.again", extra={"submissions": len(submissions)})
            return self._once(submissions)

    def _once(self, submissions: Sequence[Submission]) -> Sequence[Answer]:
        with self._engine.connect() as conn:
            answers = submit(conn, submissions)
            raise_if_unconfirmed(conn)
            return answers
