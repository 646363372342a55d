"""The publisher empties the outbox: claim rows, send them, keep those that were refused, commit."""

import logging
import time
from collections.abc import Sequence

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from services.relay.breaker import Breaker
from services.relay.sinks import UNKNOWN_TOPIC, Sinks
from services.relay.turns import Turns
from shared.backoff import full_jitter
from shared.database.engine import transactional
from shared.outbox import messages
from shared.outbox.floor import Floor, Pass
from shared.outbox.messages import OutboxRow, Unsent
from shared.queues.interface import QueueUnavailable, SendFailure, SendResult
from shared.runtime.metrics.declare import known

log = logging.getLogger(__name__)

_DUE_EVERY_S = 0.2
"""Pause between looks at the few messages that have a due time."""
_PROBE = 10
"""Messages in a pass that probes whether the queue is available again: one batch call."""


class Publisher:
    """Moves messages from the outbox to their sinks. Any number may run: each claims rows that no other relay holds."""

    def __init__(self, engine: Engine, sinks: Sinks, *, batch: int, ahead: int) -> None:
        """`ahead` limits how many doorbells of one tenant may be in the queue before workers have received them.

        Further ones are held.
        """
        self._engine = engine
        self._claiming = transactional(engine)
        self._sinks = sinks
        self._batch = batch
        self._breaker = Breaker()
        self._floor = Floor()
        self._turns = Turns(ahead=ahead)
        self._refusal = ""
        """Why the queue accepted nothing in the last pass that sent; empty if it accepted something."""
        self._due_at = 0.0
        self._look_first = False
        """True after a pass that left nothing behind: most likely the outbox is still empty."""
        # A new connection may lead to another server, whose sequence stands elsewhere.
        event.listen(engine, "connect", self._forget_floor)

    def _forget_floor(self, *_: object) -> None:
        self._floor = Floor()

    def check(self) -> None:
        """Return unless the queue refused the whole last pass, as it does for a relay without permission to send.

        Raises QueueUnavailable.
        """
        if self._refusal:
            raise QueueUnavailable(f"nothing could be sent: {self._refusal}")

    @property
    def settled_floor(self) -> int:
        """The highest id up to which every outbox row has left."""
        return self._floor.settled

    def run_once(self) -> int:
        """Send one batch. Returns how many messages left the outbox, sent, parked or held; 0 means wait a little.

        Killed before the send, the rows unlock unsent. Killed after it, they are sent again, and `jobs.start` makes the
        second copy harmless. The transaction stays open over the send on purpose: a crash is a rollback and an
        immediate redelivery, with nothing to wait for.
        """
        metrics.BREAKER_OPEN.set(self._breaker.open)
        if self._breaker.open:
            return 0
        kind, floor = self._floor.next_pass()
        if kind is Pass.SETTLED:
            floor = self._settle()
        if self._look_first and kind is not Pass.AUDIT and not self._waiting(floor):
            return 0
        with self._claiming.connect() as conn:
            rows, due = self._claim(conn, kind, floor)
            leaving = self._turns.hold_surplus(conn, [*rows, *due])
            aside = len(rows) + len(due) - len(leaving)
            out, dropped = self._turns.let_out(conn, leaving)
            if not leaving and not aside and not out and not dropped:
                conn.rollback()
                return 0
            left = self._publish(conn, [*leaving, *out], aside=aside + dropped)
        if left and rows:
            # Only after the commit: rows that were rolled back must stay above the recent floor.
            self._floor.claimed(max(row.id for row in rows))
        return left

    def _settle(self) -> int:
        with self._engine.connect() as conn:
            self._floor.advance(conn)
            return self._floor.settled

    def _waiting(self, floor: int) -> bool:
        with self._engine.connect() as conn:
            return messages.waiting(conn, floor=floor) or self._turns.due(conn)

    def _claim(self, conn: Connection, kind: Pass, floor: int) -> tuple[list[OutboxRow], list[OutboxRow]]:
        """Return claimed rows of the outbox, and messages whose due time has come."""
        started = time.perf_counter()
        limit = _PROBE if self._breaker.probing else self._batch
        rows = messages.claim(conn, floor=floor, limit=limit)
        if kind is Pass.AUDIT:
            self._count_violations(rows)
        due: list[OutboxRow] = []
        if len(rows) < limit and time.monotonic() >= self._due_at:
            due = messages.claim_due(conn, limit=limit - len(rows))
            self._due_at = time.monotonic() + _DUE_EVERY_S
        self._look_first = len(rows) + len(due) < limit
        metrics.RELAY_STEP_SECONDS.labels("claim").observe(time.perf_counter() - started)
        return rows, due

    def _count_violations(self, rows: Sequence[OutboxRow]) -> None:
        below = [row.id for row in rows if row.id <= self._floor.settled]
        if below:
            metrics.FLOOR_VIOLATIONS.inc(len(below))
            log.error("outbox.floor_violated", extra={"ids": below[:10], "floor": self._floor.settled})

    def _publish(self, conn: Connection, rows: Sequence[OutboxRow], *, aside: int) -> int:
        """Send the rows, keep those that were refused, and commit.

        Returns how many left the outbox, with the `aside` held ones. If the queue accepted none, the transaction is
        rolled back and 0 returned.
        """
        metrics.RELAY_BATCH.observe(len(rows) + aside)
        started = time.perf_counter()
        sent = self._sinks.send(conn, rows)
        published = time.perf_counter()
        metrics.RELAY_STEP_SECONDS.labels("publish").observe(published - started)
        for failure in sent.failed:
            if failure.code != UNKNOWN_TOPIC:
                metrics.PUBLISH_FAILURES.labels(known(failure.code, metrics.PUBLISH_CODES)).inc()
        passing = [failure for failure in sent.failed if not failure.permanent]
        if passing and not sent.accepted:
            # The rows stay as they are, so an outage costs no writes. A message that can never be sent waits with
            # the others. It is parked by the first pass that sends anything, or that finds nothing else to send.
            conn.rollback()
            self._refused(passing[0])
            return 0
        messages.keep(conn, [_unsent(rows[failure.key], failure) for failure in sent.failed])
        messages.commit_may_be_lost(conn)
        conn.commit()
        metrics.RELAY_STEP_SECONDS.labels("commit").observe(time.perf_counter() - published)
        self._count(sent)
        self._turns.sent(rows[place] for place in sent.accepted)
        return aside + len(rows) - len(passing)

    def _refused(self, first: SendFailure) -> None:
        wait_s = self._breaker.refused()
        self._refusal = f"{first.code}: {first.message}"
        metrics.BREAKER_OPEN.set(1)
        log.warning(
            "relay.queue_away", extra={"code": first.code, "reason": first.message, "retry_in_s": round(wait_s, 2)}
        )

    def _count(self, sent: SendResult) -> None:
        metrics.PUBLISHED.inc(len(sent.accepted))
        if sent.accepted:
            self._refusal = ""
        if sent.accepted and self._breaker.accepted():
            metrics.BREAKER_OPEN.set(0)
            log.info("relay.queue_back")
        for failure in sent.failed:
            if failure.permanent:
                metrics.PARKED.labels("unknown_topic" if failure.code == UNKNOWN_TOPIC else "refused").inc()
                log.error("outbox.parked", extra={"code": failure.code, "reason": failure.message})


def _unsent(row: OutboxRow, failure: SendFailure) -> Unsent:
    return Unsent(
        row,
        error=f"{failure.code}: {failure.message}"[:500],
        delay_s=full_jitter(row.attempts + 1, base_s=1, cap_s=300),
        parked=failure.permanent,
    )
