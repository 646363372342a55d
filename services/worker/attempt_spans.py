"""An attempt's part of its job's trace: its own span, the span of the write that ends it, and what a retry carries."""

import json
import time
from collections.abc import Callable, Iterable, Mapping

from services.worker.held import Held
from services.worker.outcomes import EndedAttempt, Outcome
from shared.jobs.finish import Failure, GivenBack
from shared.jobs.lease import StartedJob
from shared.runtime import tracing


def in_a_span(held: Held, run: Callable[[Held], Outcome]) -> Outcome:
    """Return `run(held)`, called inside a span of its own that is linked to the attempt before it.

    Without tracing this only calls `run`.
    """
    if not tracing.on():
        return run(held)
    links = [held.previous_attempt] if held.previous_attempt else []
    with tracing.span("attempt", kind="consumer", parent=held.traceparent, links=links) as span:
        span.note(_attributes(held.job))
        held.traced_by(span)
        outcome = run(held)
        if isinstance(outcome, Failure):
            span.failed(outcome.code)
        elif isinstance(outcome, GivenBack) and outcome.cause is not None:
            span.failed(outcome.cause.code)
        return outcome


def retry_headers(held: Held) -> str | None:
    """The headers of a retry's message: the job's own trace, and this attempt to link to. None without tracing."""
    if not tracing.on() or held.traceparent is None:
        return None
    return json.dumps({**tracing.carried(held.job.trace_context), tracing.PREVIOUS_ATTEMPT: held.traceparent})


def record_write(verb: str, batch: Iterable[EndedAttempt], *, began_ns: int) -> None:
    """Record the statement that ended these attempts, just now, as a span below each of them."""
    if tracing.on():
        ended_ns = time.time_ns()
        for held, _ in batch:
            tracing.record(f"jobs {verb}", parent=held.traceparent, began_ns=began_ns, ended_ns=ended_ns)


def _attributes(job: StartedJob) -> Mapping[str, str | int]:
    return {
        "todoke.job_id": str(job.lease.job_id),
        "todoke.report_type": job.report_type,
        "todoke.attempt": job.attempt,
    }
