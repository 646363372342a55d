"""The relay's part of each message's trace: a span from claim to answer, which the message carries on."""

from collections.abc import Sequence

from shared.outbox.messages import OutboxRow
from shared.queues.interface import Outgoing, SendResult
from shared.runtime import tracing


class Sending:
    """The messages of one pass. Each key is the row's place in `rows`."""

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        headers = [tracing.carried(row.headers) for row in rows]
        self._spans = [_begin(each.get(tracing.TRACEPARENT)) for each in headers] if tracing.on() else []
        for each, span in zip(headers, self._spans, strict=False):
            if span.traceparent:
                each[tracing.TRACEPARENT] = span.traceparent
        self.messages = [
            Outgoing(n, row.payload, each) for n, (row, each) in enumerate(zip(rows, headers, strict=True))
        ]
        """What to send."""

    def end(self, sent: SendResult) -> None:
        """The queue has answered, or was given up."""
        if self._spans:
            for failure in sent.failed:
                self._spans[failure.key].failed(failure.code)
            for span in self._spans:
                span.end()


def _begin(traceparent: str | None) -> tracing.Span:
    """Only what somebody traces is worth a span: a row without a trace stays without."""
    parent = tracing.valid(traceparent)
    return tracing.begin("jobs send", kind="producer", parent=parent) if parent else tracing.OFF
