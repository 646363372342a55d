"""Submissions of tenants whose number of unfinished jobs is capped: gathered by tenant, one transaction per batch.

They do not use the submitter's single connection: such a transaction waits for others of its tenant, in other processes
too, and no other tenant's submission may wait with it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.actions.submitter import TooBusy
from shared.database.engine import transactional
from shared.database.replication import raise_if_unconfirmed
from shared.database.unavailable import is_unavailable
from shared.jobs.queue_caps import submit_within
from shared.jobs.submission import Answer, Submission

_Waiting = tuple[Submission, "asyncio.Future[Answer]"]

_TOGETHER = 128
_MOST_WAITING = 1_024
"""Waiting submissions of one tenant."""
_TIMEOUT_S = 15.0


class WithinCaps:
    """Accepts as many submissions as their tenant has room for. For the event loop's thread."""

    def __init__(self, engine: Engine, *, ring_after_s: float) -> None:
        self._engine = engine
        self._ring_after_s = ring_after_s
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def submit(self, submission: Submission) -> Answer:
        """Return the answer once it is committed. Raises TooBusy at once, TimeoutError, and the database's errors."""
        waiting = self._waiting.setdefault(submission.tenant, deque())
        if len(waiting) >= _MOST_WAITING:
            raise TooBusy("the database is slower than the requests; try again shortly")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting.append((submission, answer))
        if submission.tenant not in self._tasks:
            self._tasks[submission.tenant] = asyncio.create_task(self._run(submission.tenant))
        async with asyncio.timeout(_TIMEOUT_S):
            return await answer

    async def close(self) -> None:
        """Commit what is waiting."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=10)

    async def _run(self, tenant: str) -> None:
        waiting = self._waiting[tenant]
        while waiting:
            batch = [waiting.popleft() for _ in range(min(_TOGETHER, len(waiting)))]
            await self._answer(tenant, batch)
        del self._waiting[tenant], self._tasks[tenant]

    async def _answer(self, tenant: str, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await to_thread.run_sync(self._commit_twice, tenant, [submission for submission, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to the requests, not to this task
            if len(batch) > 1 and not is_unavailable(error):
                # One bad row must not harm the others.
                for one in batch:
                    await self._answer(tenant, [one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    def _commit_twice(self, tenant: str, submissions: Sequence[Submission]) -> Sequence[Answer]:
        try:
            return self._commit(tenant, submissions)
        except Exception as error:
            if not is_unavailable(error):
                raise
            # As in the submitter: the ids are ours, so committing twice has the effect of once.
            return self._commit(tenant, submissions)

    def _commit(self, tenant: str, submissions: Sequence[Submission]) -> Sequence[Answer]:
        with transactional(self._engine).connect() as conn:
            answers = submit_within(conn, tenant, submissions, ring_after_s=self._ring_after_s)
            conn.commit()
            raise_if_unconfirmed(conn)
            return answers
