"""The metrics of the relay.

Metrics marked *database-wide* are about the whole system: every relay shows the same value, so take their `max`, never
their `sum`.
"""

from shared.runtime.metrics.declare import FAST_S, OTHER, counter, gauge, histogram

_WIDE = " Database-wide: take the max over relays."

# The outbox
PUBLISHED = counter("relay", "todoke_outbox_published_total", "Messages that the queue accepted.")
PUBLISH_CODES = (
    # Found before the queue is asked, or in place of its answer.
    "Deadline", "NotInAnswer", "InvalidMessageContents", "InvalidAttributes", "MessageTooLong",
    # raised by the client
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "NoCredentialsError",
    # answered by SQS (API reference, SendMessageBatch and common errors, read 2026-11-25)
    "AccessDenied", "ExpiredToken", "InternalError", "InternalFailure", "InvalidClientTokenId", "OverLimit",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "RequestThrottled", "ServiceUnavailable",
    "Throttling", "ThrottlingException", "KmsThrottled", "KmsAccessDenied",
    OTHER,
)  # fmt: skip
PUBLISH_FAILURES = counter(
    "relay",
    "todoke_outbox_publish_failures_total",
    "Messages that the queue did not accept, by its error code.",
    {"code": PUBLISH_CODES},
)
PARKED = counter(
    "relay",
    "todoke_outbox_parked_total",
    "Messages put aside because they can never be sent as they are: the queue refuses them for good, or this relay "
    "knows no sink for their topic.",
    {"reason": ("refused", "unknown_topic")},
)
RELAY_BATCH = histogram(
    "relay",
    "todoke_relay_batch_messages",
    "Messages claimed by one pass that found any.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)
RELAY_STEP_SECONDS = histogram(
    "relay",
    "todoke_relay_step_seconds",
    "Time of one step of a pass.",
    {"step": ("claim", "publish", "commit")},
    buckets=FAST_S,
)
BREAKER_OPEN = gauge(
    "relay", "todoke_relay_breaker_open", "1 while this relay has stopped claiming because the queue is away."
)
PUT_BACK = counter(
    "relay",
    "todoke_doorbells_put_back_total",
    "Doorbells that were held, because their tenant had RELAY_AHEAD of them in the queue already.",
)
HELD = gauge(
    "relay",
    "todoke_doorbells_held",
    "Doorbells that wait for a turn, the end of a pause or a place under a cap, counted up to 10,000." + _WIDE,
)
LET_OUT = counter("relay", "todoke_doorbells_let_out_total", "Held doorbells whose turn came.")
HELD_READY = gauge(
    "relay",
    "todoke_doorbells_held_ready",
    "Tenants and report types of which a doorbell is held that neither a pause nor a cap keeps: their turn comes."
    + _WIDE,
)
HELD_TENANTS = gauge("relay", "todoke_doorbells_held_tenants", "Tenants of those doorbells." + _WIDE)
HELD_OLDEST_S = gauge(
    "relay", "todoke_doorbells_held_oldest_age_seconds", "Age of the oldest of those doorbells." + _WIDE
)
PAUSED = gauge("relay", "todoke_paused", "Report types, tenants and sources that are paused." + _WIDE)
FLOOR_VIOLATIONS = counter(
    "relay",
    "todoke_outbox_floor_violations_total",
    "Messages found below the settled floor by an audit. Must stay 0.",
)
OUTBOX_UNSENT = gauge(
    "relay",
    "todoke_outbox_unsent_messages",
    "Unsent messages, estimated from above: ids drawn since the oldest unsent one. 0 is exact." + _WIDE,
)
OUTBOX_OLDEST_S = gauge(
    "relay",
    "todoke_outbox_oldest_age_seconds",
    "Age of the oldest unsent message by the database's clock; 0 when all have left." + _WIDE,
)
OUTBOX_RETRY_WAITING = gauge(
    "relay", "todoke_outbox_retry_waiting_messages", "Messages due later, counted up to 10,000." + _WIDE
)
OUTBOX_PARKED = gauge(
    "relay", "todoke_outbox_parked_messages", "Messages that can never be sent, counted up to 10,000." + _WIDE
)

# The jobs
_SLICE = " Of the oldest 50,000 jobs that may be unfinished."
JOBS_WAITING = gauge("relay", "todoke_jobs_waiting", "Jobs that a worker could start now." + _SLICE + _WIDE)
JOBS_DELAYED = gauge(
    "relay", "todoke_jobs_delayed", "Jobs that are scheduled to start or to be retried later." + _SLICE + _WIDE
)
JOBS_RUNNING = gauge("relay", "todoke_jobs_running", "Jobs held by a worker." + _SLICE + _WIDE)
JOBS_LATE = gauge(
    "relay",
    "todoke_jobs_late",
    "Unfinished jobs accepted longer ago than RELAY_LATE_AFTER_S." + _SLICE + _WIDE,
)
OLDEST_WAITING_S = gauge(
    "relay",
    "todoke_jobs_oldest_waiting_seconds",
    "Time for which the oldest waiting job has been ready to start." + _SLICE + _WIDE,
)
JOBS_OF_UNKNOWN_TYPE = gauge(
    "relay",
    "todoke_jobs_of_unknown_type",
    "Jobs that could be started now, if a worker that takes jobs knew their report type." + _SLICE + _WIDE,
)
WORKERS = gauge(
    "relay",
    "todoke_workers",
    "Workers that were seen within the last minute: fit ones take jobs; unfit ones say why they do not." + _WIDE,
    {"state": ("fit", "unfit")},
)
SWEPT = counter(
    "relay",
    "todoke_jobs_swept_total",
    "Silent jobs that the sweeper acted on: requeued, failed or cancelled after a lost worker or a deadline; rung "
    "again after a lost doorbell.",
    {"kind": ("requeued", "failed", "cancelled", "rung")},
)

# Bulk actions
BULK_JOBS = counter(
    "relay",
    "todoke_bulk_jobs_total",
    "Jobs that bulk actions met, by what became of them.",
    {"outcome": ("cancelled", "requested", "retried", "deleted", "unchanged", "refused")},
)
BULK_RUNNING = gauge("relay", "todoke_bulk_running", "Running bulk actions." + _WIDE)
BULK_STANDING_S = gauge(
    "relay",
    "todoke_bulk_standing_seconds",
    "Longest time for which a running bulk action has made no progress; 0 when none runs." + _WIDE,
)

# Schedules
TICKS = counter(
    "relay",
    "todoke_schedule_ticks_total",
    "Ticks of schedules by what became of them: a job was submitted, a policy let them go by, or nothing could be "
    "submitted; the reason says why.",
    {
        "fate": ("submitted", "skipped", "failed"),
        "reason": (
            "none", "missed", "overlap", "owner_gone", "owner_lacks_scope", "grant_over", "report_type_gone",
            "parameters_wrong",
        ),
    },
)  # fmt: skip

TICKS_LATE_S = gauge(
    "relay",
    "todoke_schedule_oldest_due_tick_seconds",
    "Time since the oldest tick that is due should have had its job; 0 when none is due." + _WIDE,
)
SCHEDULES_FAILING = gauge(
    "relay",
    "todoke_schedules_failing",
    "Schedules whose jobs cannot be submitted because of an error that nobody foresaw, counted up to 10,001; the log "
    "has it as `schedule.broken`." + _WIDE,
)
TICKS_MISSED = gauge(
    "relay",
    "todoke_schedule_ticks_missed",
    "Times within the last hour that a schedule's ticks were let go by because no relay was there, counted up to "
    "10,001." + _WIDE,
)

# Webhooks
WEBHOOK_EVENTS = counter(
    "relay", "todoke_webhook_events_total", "Events fanned out to the webhooks that subscribe to them."
)
WEBHOOK_DELIVERIES = counter(
    "relay",
    "todoke_webhook_deliveries_total",
    "Attempts to deliver an event, by outcome: delivered, to be retried, or given up.",
    {"outcome": ("delivered", "retried", "dead")},
)
WEBHOOK_SECONDS = histogram(
    "relay",
    "todoke_webhook_delivery_seconds",
    "Time of one try, until the answer was whole or the try was over.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
)
WEBHOOK_LATE_WRITES = counter(
    "relay",
    "todoke_webhook_late_writes_total",
    "Tries that were not written down, because their lease was over; they are made again.",
)
WEBHOOKS_WAITING = gauge(
    "relay", "todoke_webhook_deliveries_waiting", "Deliveries that are due now or later, counted up to 10,001." + _WIDE
)
WEBHOOKS_OLDEST_S = gauge(
    "relay",
    "todoke_webhook_oldest_due_delivery_seconds",
    "Time since the oldest delivery was due, or since the oldest event that nobody has spread; without webhooks that "
    "are disabled, or that asked for less." + _WIDE,
)
WEBHOOKS_DISABLED = gauge(
    "relay", "todoke_webhooks_disabled", "Webhooks that were disabled for what they answered." + _WIDE
)

# Retention
RETIRED = counter(
    "relay",
    "todoke_retention_removed_total",
    "Expired data that was deleted: files with their rows, jobs with their history, idempotency keys, "
    "API keys that ended long ago, entries of the audit trail, rows of workers that died, hours of the jobs' history, "
    "bulk actions, ticks of schedules, links to files, events of webhooks, deleted webhooks and their deliveries; and "
    "files of attempts that lost, and of jobs that clients have deleted.",
    {
        "kind": (
            "artifact", "job", "idempotency_key", "api_key", "audit", "worker", "history", "bulk", "tick", "share",
            "orphan", "erased", "webhook_event", "webhook",
        )
    },
)  # fmt: skip
UNDELETABLE = counter(
    "relay",
    "todoke_retention_files_kept_total",
    "Files that the store would not delete; tried again in the next round. The log has the reason.",
)
ERASURES_WAITING = gauge(
    "relay",
    "todoke_erasures_waiting",
    "Jobs that clients have deleted and whose files are not removed yet, up to 10,000." + _WIDE,
)
ERASURE_OLDEST_S = gauge(
    "relay",
    "todoke_erasure_oldest_age_seconds",
    "Time since the oldest of them was deleted; 0 when none waits." + _WIDE,
)
UNKNOWN_FILES = gauge(
    "relay",
    "todoke_artifact_unknown_files",
    "Files of jobs that the database does not know, as of this relay's last walk over the store; NaN before its end. "
    "They are left alone.",
)
STORED_BYTES = gauge(
    "relay",
    "todoke_artifact_stored_bytes",
    "Bytes of all files of reports in the store, as of this relay's last walk over it; NaN before its end.",
)

# The queue and the database
QUEUE_DEPTH = gauge(
    "relay",
    "todoke_queue_messages",
    "Approximate number of messages, as the queue says." + _WIDE,
    {"state": ("visible", "in_flight", "delayed")},
)
DEAD_LETTERS = gauge(
    "relay", "todoke_dead_letter_messages", "Approximate number of messages in the dead-letter queue." + _WIDE
)
DEAD_LETTERS_LEFT = counter(
    "relay",
    "todoke_dead_letters_left_total",
    "Messages that left the dead-letter queue on request: resent to the queue, or deleted.",
    {"how": ("redriven", "dropped")},
)
HOLDERS = (
    "todoke-api", "todoke-console", "todoke-relay-publisher", "todoke-relay-sweeper", "todoke-relay-retention",
    "todoke-relay-dead-letters", "todoke-relay-webhooks", "todoke-worker",
    "todoke-report", "todoke-migrations", "todoke-keys", "pg_dump", "psql", "other session", "standby",
    "prepared transaction", "replication slot",
)  # fmt: skip
XMIN_AGE = gauge(
    "relay",
    "todoke_database_xmin_age_transactions",
    "Transactions begun since the oldest snapshot that this holder keeps; nothing younger can be vacuumed. "
    "The log names the session." + _WIDE,
    {"holder": HOLDERS},
)
MEASURED_AT = gauge(
    "relay",
    "todoke_relay_measured_timestamp_seconds",
    "Unix time at which this relay last read the database-wide gauges; if it is old, so are they.",
)
