"""The metrics that only the worker has."""

from shared.runtime.metrics.common import REASONS, REPORT_TYPE
from shared.runtime.metrics.declare import FAST_S, SLOW_S, counter, gauge, histogram

SLOTS = gauge("worker", "todoke_worker_slots", "Attempts this worker may run at once.")
SLOTS_BUSY = gauge("worker", "todoke_worker_slots_busy", "Attempts running now.")
POLLS = counter(
    "worker",
    "todoke_worker_polls_total",
    "Long polls of the queue. A worker whose slots are all taken does not poll.",
    {"outcome": ("ok", "failed")},
)
STARTS = counter(
    "worker",
    "todoke_worker_starts_total",
    "What became of received doorbells: started; duplicate in one batch; final, busy or not due, so thrown away; "
    "gated: held, because something is paused or a cap is full; "
    "left alone, because this worker holds the job or was not able to work on it; "
    "contended, so looked at again; unknown, malformed or foreign, so put aside in the end.",
    {
        "outcome": (
            "started", "duplicate", "final", "busy", "not_due", "contended", "unknown", "malformed", "foreign",
            "left_alone", "gated",
        )
    },
)  # fmt: skip
REDELIVERIES = counter("worker", "todoke_worker_redeliveries_total", "Doorbells received more than once.")
DEAD_LETTERED = counter(
    "worker",
    "todoke_worker_dead_lettered_total",
    "Messages that this worker moved to the dead-letter queue.",
    {"reason": ("unknown", "malformed", "foreign")},
)
WAITED_SECONDS = histogram("worker", "todoke_job_wait_seconds", "Time from due to started.", buckets=SLOW_S)

ENDINGS = ("success", "failed", "retried", "cancelled", "given_back")
ATTEMPTS = counter(
    "worker",
    "todoke_attempts_total",
    "Attempts ended by their holder.",
    {"outcome": ENDINGS, "reason": REASONS, "report_type": REPORT_TYPE},
)
ATTEMPT_SECONDS = histogram(
    "worker",
    "todoke_attempt_seconds",
    "Length of an attempt.",
    {"report_type": REPORT_TYPE, "outcome": ENDINGS},
    buckets=SLOW_S,
)
LATE_WRITES = counter(
    "worker",
    "todoke_worker_late_writes_refused_total",
    "Finishing writes refused because the lease was lost: what a frozen worker tries when it wakes up.",
    {"write": ("succeed", "fail", "cancel", "give_back")},
)
LEASES_LOST = counter(
    "worker", "todoke_worker_leases_lost_total", "Leases that the heartbeat found lost to another worker."
)
_OWN = (
    "scratch_full", "scratch_unusable", "artifact_store_unavailable", "worker_exhausted", "source_missing",
    "report_type_missing", "report_type_differs", "option_unknown", "password_not_readable",
)  # fmt: skip
OWN_FAULTS = counter(
    "worker",
    "todoke_worker_own_faults_total",
    "Attempts given back uncharged because the worker, and not the job, was at fault.",
    {"cause": _OWN},
)
UNFIT = gauge(
    "worker",
    "todoke_worker_unfit",
    "1 while this worker takes no jobs for this cause; queue_denied: it may not delete or hide messages. A probe every "
    "few seconds finds out when the cause has gone.",
    {"cause": (*_OWN[:4], "queue_denied")},
)
HEARTBEAT_LATE_S = histogram(
    "worker", "todoke_worker_heartbeat_lateness_seconds", "Delay of a heartbeat behind its schedule.",
    buckets=FAST_S,
)  # fmt: skip

SCRATCH_BYTES = gauge(
    "worker",
    "todoke_worker_scratch_bytes",
    "Bytes on the scratch disk: of this worker's attempts, and of extracts that are kept for the next attempt by all "
    "workers with the same scratch folder. Measured once per minute.",
    {"of": ("attempts", "extracts")},
)
SCRATCH_FREE_BYTES = gauge("worker", "todoke_worker_scratch_free_bytes", "Bytes that are free on the scratch disk.")
SCRATCH_REMOVED = counter(
    "worker",
    "todoke_worker_scratch_removed_total",
    "Folders that this worker removed: of workers that were killed, and extracts of jobs that ended elsewhere.",
    {"kind": ("abandoned", "extract")},
)

ATTEMPT_CPU_SECONDS = counter(
    "worker",
    "todoke_attempt_cpu_seconds_total",
    "Processor time of reports' processes, charts included, however their attempts ended.",
    {"report_type": REPORT_TYPE},
)
ATTEMPT_PEAK_BYTES = histogram(
    "worker",
    "todoke_attempt_peak_memory_bytes",
    "Peak memory of a report's process.",
    {"report_type": REPORT_TYPE},
    buckets=tuple(megabytes << 20 for megabytes in (32, 64, 128, 256, 512, 1024, 2048, 4096)),
)
ATTEMPT_READ_BYTES = counter(
    "worker",
    "todoke_attempt_read_bytes_total",
    "Text that sources sent to reports' processes.",
    {"report_type": REPORT_TYPE},
)
ATTEMPT_WRITTEN_BYTES = counter(
    "worker",
    "todoke_attempt_written_bytes_total",
    "Files that reports' processes made, stored or not.",
    {"report_type": REPORT_TYPE},
)

FORMATS = ("all", "csv", "xlsx", "parquet", "jsonl", "html", "pdf", "attachment", "rows", "page", "other")
PHASES = ("querying", "reading", "writing", "verifying", "storing", "other")
REPORT_SECONDS = histogram(
    "worker",
    "todoke_report_seconds",
    "Time of one phase of a report; format `all` where the phase serves every format.",
    {"report_type": REPORT_TYPE, "format": FORMATS, "phase": PHASES},
    buckets=(0.01, 0.1, 0.5, 1, 5, 30, 120, 600),
)
REPORT_ROWS = counter(
    "worker", "todoke_report_rows_total", "Rows stored.", {"report_type": REPORT_TYPE, "format": FORMATS}
)
REPORT_BYTES = counter(
    "worker", "todoke_report_bytes_total", "Bytes stored.", {"report_type": REPORT_TYPE, "format": FORMATS}
)
