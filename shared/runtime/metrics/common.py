"""The metrics of all services."""

from collections.abc import Sequence

from shared.failures import FailureCode
from shared.runtime.metrics.declare import FAST_S, OTHER, counter, histogram, known, observe_all

REPORT_TYPE = "a report type of the catalog; `other` after 200"
_MOST_REPORT_TYPES = 200
_report_types: set[str] = set()

REASONS = ("none", "requested", *(code.value for code in FailureCode), OTHER)
"""Why something ended as it did: `none` for a success, `requested` for a cancellation, otherwise the failure's code.
Codes of report types and sources from packages count as `other`."""

FINAL_OUTCOMES = ("success", "failed", "cancelled")

FINISHED = counter(
    "api, relay, worker",
    "todoke_jobs_finished_total",
    "Jobs that reached their final state, by whoever made the transition.",
    {"outcome": FINAL_OUTCOMES, "reason": REASONS, "report_type": REPORT_TYPE},
)
JOB_SECONDS = histogram(
    "api, relay, worker",
    "todoke_job_seconds",
    "From accepted to final, waiting and retries included, by the database's clock.",
    {"outcome": FINAL_OUTCOMES},
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400),
)
STATEMENT_SECONDS = histogram(
    "api, relay, worker",
    "todoke_statement_seconds",
    "Time of one SQL statement, its commit included where it is its own transaction.",
    {"statement": "a statement's name in the code"},
    buckets=FAST_S,
)


def report_type_label(name: str) -> str:
    """Return `name`, or `other` once this process has seen 200: catalogs change, and a series never disappears."""
    if name not in _report_types:
        if len(_report_types) >= _MOST_REPORT_TYPES:
            return OTHER
        _report_types.add(name)
    return name


def observe_statement(name: str, seconds: float) -> None:
    """Record one SQL statement."""
    STATEMENT_SECONDS.labels(name).observe(seconds)


def count_finished(outcome: str, reason: str, report_type: str, ages_s: Sequence[float]) -> None:
    """Count jobs that became final: `outcome` is one of FINAL_OUTCOMES, `ages_s` the seconds since
    each was accepted.
    """
    FINISHED.labels(outcome, known(reason, REASONS), report_type_label(report_type)).inc(len(ages_s))
    observe_all(JOB_SECONDS.labels(outcome), [max(0.0, age_s) for age_s in ages_s])
