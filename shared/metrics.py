"""Every metric of the three services: one name, one help text, one bounded set of labels each."""

from prometheus_client import Counter, Gauge, Histogram

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)

# API
REQUESTS = Counter("todoke_api_requests_total", "HTTP requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram("todoke_api_request_seconds", "Time to answer an HTTP request.", ["route"], buckets=_FAST_S)
SUBMITTED = Counter("todoke_jobs_submitted_total", "Submissions answered.", ["outcome"])
"""outcome: accepted, replayed, conflict, unavailable."""
SUBMIT_BATCH = Histogram(
    "todoke_submit_batch_size",
    "Submissions that shared one statement and commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)

# Database
STATEMENT_SECONDS = Histogram("todoke_statement_seconds", "Time of one SQL statement.", ["statement"], buckets=_FAST_S)

# Relay
PUBLISHED = Counter("todoke_outbox_published_total", "Messages that the queue accepted.")
PUBLISH_FAILURES = Counter(
    "todoke_outbox_publish_failures_total", "Messages that the queue did not take, by its code.", ["code"]
)
PARKED = Counter("todoke_outbox_parked_total", "Messages put aside because they can never be sent.")
OUTBOX_OLDEST_S = Gauge(
    "todoke_outbox_oldest_age_seconds", "Age of the oldest unsent message, by the database's clock."
)
OUTBOX_RETRY_WAITING = Gauge("todoke_outbox_retry_waiting", "Messages waiting for another try (counted up to 10,000).")
OUTBOX_PARKED = Gauge("todoke_outbox_parked_messages", "Messages that can never be sent (counted up to 10,000).")
RELAY_BATCH = Histogram(
    "todoke_relay_batch_size",
    "Messages claimed by one pass.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)
RELAY_STEP_SECONDS = Histogram(
    "todoke_relay_step_seconds",
    "Time of one step of a pass: claim, publish, commit.",
    ["step"],
    buckets=_FAST_S,
)
BREAKER_OPEN = Gauge("todoke_relay_breaker_open", "1 while the relay has stopped claiming because the queue is away.")
FLOOR_VIOLATIONS = Counter(
    "todoke_outbox_floor_violations_total", "Messages found below the settled floor by an audit. Must stay 0."
)

# Sweeper
SWEPT = Counter("todoke_jobs_swept_total", "Silent jobs the sweeper acted on.", ["kind"])
"""kind: requeued, worker_lost, deadline_exceeded, cancelled, rung."""
QUEUE_DEPTH = Gauge("todoke_queue_messages", "Approximate number of messages, as the queue says.", ["state"])

# Worker
SLOTS = Gauge("todoke_worker_slots", "Attempts this worker may run at once.")
SLOTS_BUSY = Gauge("todoke_worker_slots_busy", "Attempts running now.")
STARTS = Counter("todoke_worker_starts_total", "What became of received doorbells.", ["outcome"])
"""outcome: started, final, busy, not_due, contended, unknown, malformed, foreign."""
REDELIVERIES = Counter("todoke_worker_redeliveries_total", "Doorbells received more than once.")
DEAD_LETTERED = Counter("todoke_worker_dead_lettered_total", "Messages moved to the dead-letter queue.", ["reason"])
FINISHED = Counter("todoke_jobs_finished_total", "Attempts ended by their holder.", ["outcome", "report_type"])
"""outcome: success, failed, retried, cancelled, given_back."""
LATE_WRITES = Counter(
    "todoke_worker_late_writes_refused_total",
    "Finishing writes refused because the lease was lost.",
    ["write"],
)
LEASES_LOST = Counter("todoke_worker_leases_lost_total", "Leases the heartbeat found to belong to somebody else.")
HEARTBEAT_LATE_S = Gauge("todoke_worker_heartbeat_lateness_seconds", "How late the last heartbeat was.")
WAITED_SECONDS = Histogram("todoke_job_wait_seconds", "From due to started.", buckets=_LONG_S)
ATTEMPT_SECONDS = Histogram(
    "todoke_attempt_seconds", "Length of an attempt.", ["report_type", "outcome"], buckets=_LONG_S
)
REPORT_ROWS = Counter("todoke_report_rows_total", "Rows delivered.", ["report_type", "format"])
REPORT_BYTES = Counter("todoke_report_bytes_total", "Bytes delivered.", ["report_type", "format"])

# Queue
QUEUE_REQUESTS = Counter("todoke_sqs_requests_total", "Requests sent to SQS, by operation.", ["operation"])


def observe_statement(name: str, seconds: float) -> None:
    """Record one SQL statement."""
    STATEMENT_SECONDS.labels(name).observe(seconds)


def count_queue_request(operation: str) -> None:
    """Count one request to SQS."""
    QUEUE_REQUESTS.labels(operation).inc()
