"""The relay's part of each message's trace: a span from the claim to the queue's answer, which the
message carries on.
"""

from collections.abc import Sequence

from shared.outbox.messages import OutboxRow
from shared.queues.interface import SendResult
from shared.runtime import tracing


class SendSpans:
    """Holds one span for each row that belongs to a trace. The spans begin when this object is created."""

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.headers = [tracing.carried(row.headers) for row in rows]
        """What the message of each row carries as headers."""
        self._spans = [_begin(each.get(tracing.TRACEPARENT)) for each in self.headers] if tracing.on() else []
        for each, span in zip(self.headers, self._spans, strict=False):
            if span.traceparent:
                each[tracing.TRACEPARENT] = span.traceparent

    def end(self, sent: SendResult) -> None:
        """End the spans: the queue has answered, or the relay has stopped waiting.

        Keys are the rows' places in the batch.
        """
        if self._spans:
            for failure in sent.failed:
                self._spans[failure.key].failed(failure.code)
            for span in self._spans:
                span.end()


def _begin(traceparent: str | None) -> tracing.Span:
    """Return a span of that trace; a span that records nothing for a row without a trace."""
    parent = tracing.valid(traceparent)
    return tracing.begin("jobs send", kind="producer", parent=parent) if parent else tracing.OFF
