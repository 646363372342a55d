"""Looks into the dead-letter queue, copies its messages into rows, and carries out what operators requested for them.

The queue is the truth: a message leaves it only after it was sent again or is to be deleted. If the relay dies between
sending and deleting, the message is in both queues, and a second doorbell does no harm. If it dies before the row is
removed, the next look removes it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from shared.jobs.doorbell import read_doorbell
from shared.outbox import dead_letters
from shared.outbox.dead_letters import MOST, Copy, Wish
from shared.queues.dead_letters import DeadLetter, DeadLetters, NoDeadLetterQueue
from shared.queues.interface import Queue, QueueUnavailable

log = logging.getLogger(__name__)

EVERY_S = 3.0
"""Pause between queries that ask whether a look into the queue is due."""
_PAUSE_S = 60.0
"""Pause between looks into the queue; a request makes one due at once. A look into an empty queue costs one API
request."""
_PAUSE_EACH_S = 0.5
"""Additional pause for each message in the queue: a look receives all of them, and makes them visible again."""


class DeadLetterLooks:
    """One relay's looks into the dead-letter queue. Any number of relays may run: only one of them looks at a time."""

    def __init__(self, engine: Engine, queue: Queue, opened: Callable[[], DeadLetters]) -> None:
        """`opened` opens the dead-letter queue. It raises QueueUnavailable and NoDeadLetterQueue."""
        self._engine = engine
        self._queue = queue
        self._opened = opened
        self._dead: DeadLetters | None = None

    def run_once(self) -> int:
        """Look if a look is due. Returns 0, so that the loop keeps its pace. Raises the database's errors."""
        with self._engine.connect() as conn:
            if not dead_letters.look_is_due(conn) or not dead_letters.begin_look(conn, pause_s=_PAUSE_S):
                return 0
            facts = self._look(conn)
            dead_letters.end_look(conn, facts, pause_s=_PAUSE_S + _PAUSE_EACH_S * facts.get("seen", 0))
        return 0

    def _look(self, conn: Connection) -> Mapping[str, Any]:
        """Return what is in the queue, or why that is unknown."""
        try:
            if self._dead is None:
                self._dead = self._opened()
            if not self._queue.dead_letters() and not dead_letters.any_copied(conn):
                return {"seen": 0, "all": True}
            seen = self._walk(conn, self._dead)
        except NoDeadLetterQueue:
            return {"seen": 0, "all": True, "problem": "there is no dead-letter queue"}
        except QueueUnavailable as error:
            log.warning("dead_letters.not_looked_at", extra={"reason": str(error)})
            return {"problem": str(error)[:500]}
        dead_letters.forget(conn, to_the_end=seen < MOST)
        return {"seen": seen, "all": seen < MOST}

    def _walk(self, conn: Connection, queue: DeadLetters) -> int:
        """Copy every message, and carry out the requests. Returns how many messages the queue held."""
        seen, left = 0, list[DeadLetter]()
        try:
            for batch in queue.walk(MOST):
                seen += len(batch)
                left += batch
                wishes = dead_letters.copy(conn, [_copy(message) for message in batch])
                gone = self._carried_out(queue, batch, wishes)
                dead_letters.done(conn, sorted(gone))
                left = [message for message in left if message.message_id not in gone]
        finally:
            queue.show_again(left)
        return seen

    @staticmethod
    def _carried_out(queue: DeadLetters, batch: Sequence[DeadLetter], wishes: Mapping[str, Wish]) -> frozenset[str]:
        """Return the ids of messages that have left the queue as requested."""
        again, drop = (
            [message for message in batch if wishes.get(message.message_id) is wish]
            for wish in (Wish.REDRIVE, Wish.DROP)
        )
        sent = queue.send_back(again) if again else frozenset()
        dropped = queue.delete(drop)
        for name, gone in (("redriven", sent), ("dropped", dropped)):
            metrics.DEAD_LETTERS_LEFT.labels(name).inc(len(gone))
            for message_id in gone:
                log.info("dead_letter.left", extra={"message_id": message_id, "how": name})
        return sent | dropped


def _copy(message: DeadLetter) -> Copy:
    job_id, wrong = read_doorbell(message.body)
    # This look itself counts as a receive.
    receives = max(0, message.receive_count - 1)
    return Copy(message.message_id, job_id, message.body, message.reason or wrong, receives, message.sent_at)
