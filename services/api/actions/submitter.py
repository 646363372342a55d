"""Group commit: submissions that arrive during one commit become the next one.

A request that comes alone costs one statement and one commit; 32 at once share them. Each is answered from its own row.
Everything happens on the event loop: handing each request to a thread and back, and sharing the interpreter's lock with
it, cost more than the statement itself.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Collection, Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.api import metrics
from shared.database.replication import raise_if_unconfirmed, watch_replication
from shared.database.unavailable import DatabaseUnavailable, is_unavailable, waited_for
from shared.errors import TodokeError
from shared.jobs.submission import (
    Accepted,
    Capped,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    KeyName,
    Submission,
)
from shared.jobs.submit import submit
from shared.runtime.settings import RING_AFTER_S

log = logging.getLogger(__name__)

Answer = Accepted | IdempotencyKeyReused | Capped
_Waiting = tuple[Submission, "asyncio.Future[Answer]"]


KEY_WAIT = "5s"
"""How long a request waits for another with the same Idempotency-Key: the lock_timeout of the connection."""
_BRIEFLY = "50ms"
"""How long it waits if another is known to be at work: every other submission waits for this one, too."""
_KNOWN_S = 10.0
"""How long a key that was waited for in vain is known to be at work elsewhere."""


class TooBusy(TodokeError):
    """More submissions are waiting for the database than it makes sense to queue."""


class Submitter:
    """Runs one statement at a time, on one connection of `engine`, which `close` disposes of.

    The connection is kept between statements: taking it from the pool and returning it costs half as much as the
    statement.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        ring_after_s: float = RING_AFTER_S,
        most: int = 128,
        waiting: int = 1024,
        timeout_s: float = 15.0,
    ) -> None:
        watch_replication(engine.sync_engine)
        self._engine = engine
        self._ring_after_s = ring_after_s
        self._kept: AsyncConnection | None = None
        self._timeout_s = timeout_s
        self._most = most
        self._most_waiting = waiting
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self._in_flight: dict[KeyName, float] = {}

    async def submit(self, submission: Submission) -> Answer:
        """Return the answer once it is committed. Raises TooBusy at once, TimeoutError, and the database's errors.

        The job may be created even if the caller disconnects or times out: its row may be in the statement already.
        """
        if len(self._waiting) >= self._most_waiting:
            raise TooBusy("the database is slower than the requests; try again shortly")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((submission, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        # Not asyncio.timeout, which would cost a tenth of this process's own work per request.
        bound = loop.call_later(self._timeout_s, _give_up, answer)
        try:
            return await answer
        finally:
            bound.cancel()

    async def close(self) -> None:
        """Commit what is waiting, then close the connection."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=10)
        await self._let_go()
        await self._engine.dispose()

    async def _run(self) -> None:
        answered = 0
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(self._share(answered))]
            metrics.SUBMIT_BATCH.observe(len(batch))
            await self._commit(batch)
            answered = len(batch)

    def _share(self, answered: int) -> int:
        """Return how many of the waiting submissions to take next: half of all that are in play, including those just
        answered, whose clients may submit again.

        The database then works on one half while the event loop answers and reads the other. Otherwise all would end up
        in one statement, during which the loop has nothing to do: a quarter fewer requests per second at 32
        connections.
        """
        return min(self._most, len(self._waiting), (len(self._waiting) + answered + 1) // 2)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        if self._in_flight and (known := self._known_in_flight(batch)):
            await self._commit_apart(batch, known)
            return
        try:
            answers = await self._execute([submission for submission, _ in batch])
        except IdempotencyKeyInFlight:
            await self._commit_apart(batch, {key for one in batch if (key := _key_of(one))})
            return
        except Exception as error:  # noqa: BLE001 - it belongs to the requests, not to this task
            if len(batch) > 1 and isinstance(error, DBAPIError) and not is_unavailable(error):
                # One bad row must not harm the others.
                for one in batch:
                    await self._commit([one])
                return
            _fail(batch, error)
            return
        _answer(batch, answers)

    def _known_in_flight(self, batch: Sequence[_Waiting]) -> Collection[KeyName]:
        now = time.monotonic()
        self._in_flight = {key: until for key, until in self._in_flight.items() if until > now}
        return {key for one in batch if (key := _key_of(one)) in self._in_flight and key}

    async def _commit_apart(self, batch: Sequence[_Waiting], keys: Collection[KeyName]) -> None:
        """Commit the submissions with other keys together, then those with each of these keys, which now wait only
        briefly.
        """
        others = [one for one in batch if _key_of(one) not in keys]
        if others:
            await self._commit(others)
        for key in keys:
            some = [one for one in batch if _key_of(one) == key]
            try:
                _answer(some, await self._execute([submission for submission, _ in some], briefly=True))
                self._in_flight.pop(key, None)
            except IdempotencyKeyInFlight as error:
                self._in_flight[key] = time.monotonic() + _KNOWN_S
                _fail(some, error)
            except Exception as error:  # noqa: BLE001 - as above
                _fail(some, error)

    async def _execute(self, submissions: Sequence[Submission], *, briefly: bool = False) -> Sequence[Answer]:
        try:
            return await self._once(submissions, briefly=briefly)
        except (DBAPIError, PoolTimeout, DatabaseUnavailable) as error:
            if waited_for(error, "idempotency_keys"):
                raise IdempotencyKeyInFlight from None
            if isinstance(error, DBAPIError) and not is_unavailable(error):
                raise
            # The connection was stale, or the commit's reply was lost. The ids are ours, so committing twice has
            # the effect of once.
            log.info("submit.again", extra={"submissions": len(submissions)})
            return await self._once(submissions, briefly=False)  # ids that exist already abort a transaction

    async def _once(self, submissions: Sequence[Submission], *, briefly: bool) -> Sequence[Answer]:
        if self._kept is None:
            self._kept = await self._engine.connect()
        try:
            confirmed = _confirmed_briefly if briefly else _confirmed
            return await self._kept.run_sync(confirmed, submissions, self._ring_after_s)
        except BaseException:
            await self._let_go()
            raise

    async def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()


def _key_of(one: _Waiting) -> KeyName | None:
    submission = one[0]
    return submission.idempotency_key and submission.idempotency_key.name_of(submission.tenant)


def _answer(batch: Sequence[_Waiting], answers: Sequence[Answer]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if not future.done():
            future.set_result(answer)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


def _give_up(answer: "asyncio.Future[Answer]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _confirmed(conn: Connection, submissions: Sequence[Submission], ring_after_s: float) -> Sequence[Answer]:
    answers = submit(conn, submissions, ring_after_s=ring_after_s)
    raise_if_unconfirmed(conn)
    return answers


def _confirmed_briefly(conn: Connection, submissions: Sequence[Submission], ring_after_s: float) -> Sequence[Answer]:
    """In an explicit transaction, because a pooler keeps statements together only within one.

    The driver begins none here.
    """
    conn.exec_driver_sql("BEGIN")
    try:
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BRIEFLY}'")
        answers = submit(conn, submissions, ring_after_s=ring_after_s)
    except BaseException:
        with contextlib.suppress(DBAPIError):
            conn.exec_driver_sql("ROLLBACK")
        raise
    conn.exec_driver_sql("COMMIT")
    raise_if_unconfirmed(conn)
    return answers
