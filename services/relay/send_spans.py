"""The relay's part of each message's trace: a span from claim to answer, which the message carries on."""

from collections.abc import Sequence

from shared.outbox.messages import OutboxRow
from shared.queues.interface import SendResult
from shared.runtime import tracing


class SendSpans:
    """One span for each row that somebody traces, begun when this is made."""

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.headers = [tracing.carried(row.headers) for row in rows]
        """What the message of each row carries."""
        self._spans = [_begin(each.get(tracing.TRACEPARENT)) for each in self.headers] if tracing.on() else []
        for each, span in zip(self.headers, self._spans, strict=False):
            if span.traceparent:
                each[tracing.TRACEPARENT] = span.traceparent

    def end(self, sent: SendResult) -> None:
        """End the spans: the queue has answered, or was given up. Keys are the rows' places."""
        if self._spans:
            for failure in sent.failed:
                self._spans[failure.key].failed(failure.code)
            for span in self._spans:
                span.end()


def _begin(traceparent: str | None) -> tracing.Span:
    """A span of that trace. A row that nobody traces gets none."""
    parent = tracing.valid(traceparent)
    return tracing.begin("jobs send", kind="producer", parent=parent) if parent else tracing.OFF
