"""Where messages go: the topic of an outbox row names its sink."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from services.relay.send_spans import SendSpans
from services.relay.turns import in_turns
from shared.outbox.messages import OutboxRow
from shared.queues.interface import Outgoing, Queue, SendFailure, SendResult

UNKNOWN_TOPIC = "UnknownTopic"
"""Failure code of a message whose topic has no sink."""


class Sink(Protocol):
    """Accepts the messages of one topic."""

    def send(self, conn: Connection, rows: Sequence[OutboxRow]) -> SendResult:
        """Send all rows and report the fate of each, named by its place in `rows`. Never raises for a failed send.

        `conn` is in the transaction that claimed the rows: what a sink writes with it is committed exactly when the
        rows leave.
        """


class QueueSink:
    """Sends each row's payload and headers to a queue, in the message group of its tenant; tenants take turns."""

    def __init__(self, queue: Queue, *, deadline_s: float) -> None:
        self._queue = queue
        self._deadline_s = deadline_s

    def send(self, conn: Connection, rows: Sequence[OutboxRow]) -> SendResult:
        """See `Sink.send`."""
        del conn  # a queue takes no part in the transaction
        spans = SendSpans(rows)
        messages = [
            Outgoing(place, row.payload, headers, row.group_key)
            for place, (row, headers) in enumerate(zip(rows, spans.headers, strict=True))
        ]
        sent = self._queue.send(in_turns(messages, lambda m: m.group), deadline_s=self._deadline_s)
        spans.end(sent)
        return sent


class Sinks:
    """Every sink by its topic. A row of any other topic cannot be sent, at least not by this relay."""

    def __init__(self, by_topic: Mapping[str, Sink]) -> None:
        self._by_topic = by_topic

    def send(self, conn: Connection, rows: Sequence[OutboxRow]) -> SendResult:
        """Send each row to its topic's sink. The result names rows by their place in `rows`."""
        places: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row.topic, []).append(place)
        accepted: set[int] = set()
        failed: list[SendFailure] = []
        for topic, own in places.items():
            sent = self._send(conn, topic, [rows[place] for place in own])
            accepted.update(own[key] for key in sent.accepted)
            failed += [SendFailure(own[f.key], f.code, f.message, f.permanent) for f in sent.failed]
        return SendResult(frozenset(accepted), tuple(failed))

    def _send(self, conn: Connection, topic: str, rows: Sequence[OutboxRow]) -> SendResult:
        sink = self._by_topic.get(topic)
        if sink is not None:
            return sink.send(conn, rows)
        why = f"this relay does not know the topic {topic[:60]!r}"
        return SendResult(
            frozenset(), tuple(SendFailure(key, UNKNOWN_TOPIC, why, permanent=True) for key in range(len(rows)))
        )
