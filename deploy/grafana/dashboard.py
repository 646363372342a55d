"""`python -m deploy.grafana.dashboard > deploy/grafana/dashboards/todoke.json`: the dashboard, from this list."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "todoke-prometheus"}
_WIDTH = 8
_HEIGHT = 7
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: the question that it answers, and the series that answer it."""

    title: str
    unit: str
    series: Sequence[tuple[str, str]]
    """Expressions and legends."""


def _quantiles(metric: str) -> list[tuple[str, str]]:
    return [
        (f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{_RATE})))", f"{100 * q:g} %") for q in (0.5, 0.99)
    ]


def _rate(metric: str, by: str) -> tuple[str, str]:
    return f"sum by ({by}) (rate({metric}{_RATE}))", " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


def _p99(metric: str, by: str) -> tuple[str, str]:
    return f"histogram_quantile(0.99, sum by (le, {by}) (rate({metric}_bucket{_RATE})))", f"{{{{{by}}}}}"


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    ("Is the promise kept?", (
        Panel("Accepted and finished", "cps", [
            (f'sum(rate(todoke_jobs_submitted_total{{outcome="accepted"}}{_RATE}))', "accepted"),
            _rate("todoke_jobs_finished_total", "outcome"),
        ]),
        Panel("From accepted to final", "s", _quantiles("todoke_job_seconds")),
        Panel("Not final within 5 minutes", "percentunit", [
            ("todoke:jobs_late_ratio:5m", "5 minutes"), ("todoke:jobs_late_ratio:1h", "1 hour"),
            ("todoke:jobs_late_ratio:6h", "6 hours"),
        ]),
        Panel("Unfinished", "short", [
            ("max(todoke_jobs_waiting)", "waiting"), ("max(todoke_jobs_delayed)", "next try later"),
            ("max(todoke_jobs_running)", "running"), ("max(todoke_jobs_late)", "late"),
            ("max(todoke_jobs_of_unknown_type)", "of a type that no worker knows"),
        ]),
        Panel("Oldest waiting job", "s", [("max(todoke_jobs_oldest_waiting_seconds)", "age")]),
        Panel("Why jobs failed", "cps", [
            (f'sum by (reason) (rate(todoke_jobs_finished_total{{outcome="failed"}}{_RATE}))', "{{reason}}"),
        ]),
    )),
    ("Outbox and queue", (
        Panel("Unsent messages (from above)", "short", [
            ("max(todoke_outbox_unsent_messages)", "outbox"),
            ("max(todoke_outbox_retry_waiting_messages)", "due later"),
            ("max(todoke_outbox_parked_messages)", "parked"),
        ]),
        Panel("Held doorbells: tenants take turns", "short", [
            ("max(todoke_doorbells_held)", "held"),
            ("max(todoke_doorbells_held_tenants)", "of tenants"),
            ("max(todoke_doorbells_held_ready)", "ready, by tenant and type"),
            ("max(todoke_paused)", "paused"),
            (f"sum(rate(todoke_doorbells_put_back_total{_RATE}))", "newly held a second"),
            (f"sum(rate(todoke_doorbells_let_out_total{_RATE}))", "let out a second"),
        ]),
        Panel("Oldest held doorbell", "s", [("max(todoke_doorbells_held_oldest_age_seconds)", "age")]),
        Panel("Oldest unsent message", "s", [("max(todoke_outbox_oldest_age_seconds)", "age")]),
        Panel("Published, and refused by code", "cps", [
            (f"sum(rate(todoke_outbox_published_total{_RATE}))", "published"),
            _rate("todoke_outbox_publish_failures_total", "code"),
        ]),
        Panel("Steps of a pass, 99 %", "s", [
            _p99("todoke_relay_step_seconds", "step"),
        ]),
        Panel("Batches: claimed a pass, sent a call", "short", [
            (f"sum(rate(todoke_relay_batch_messages_sum{_RATE})) / sum(rate(todoke_relay_batch_messages_count{_RATE}))",
             "claimed"),
            ("todoke:sqs_messages_per_send:rate15m", "sent (10 at most)"),
        ]),
        Panel("Breaker, floor violations, parked", "short", [
            ("max(todoke_relay_breaker_open)", "breaker open"),
            ("sum(todoke_outbox_floor_violations_total)", "floor violations"),
            ("sum by (reason) (todoke_outbox_parked_total)", "parked {{reason}}"),
        ]),
        Panel("Messages in the queues", "short", [
            ("max by (state) (todoke_queue_messages)", "{{state}}"),
            ("max(todoke_dead_letter_messages)", "dead letters"),
            (f"sum by (how) (rate(todoke_dead_letters_left_total{_RATE}))", "dead letters {{how}} a second"),
        ]),
        Panel("Requests to SQS", "reqps", [_rate("todoke_sqs_requests_total", "operation")]),
        Panel("Cost of SQS for 1,000 jobs", "currencyUSD", [("todoke:sqs_cost_usd_per_1000_jobs:rate1h", "USD")]),
    )),
    ("Workers", (
        Panel("Slots", "short", [("sum(todoke_worker_slots)", "slots"), ("sum(todoke_worker_slots_busy)", "busy")]),
        Panel("Workers that were seen lately", "short", [("max by (state) (todoke_workers)", "{{state}}")]),
        Panel("What became of doorbells", "cps", [
            _rate("todoke_worker_starts_total", "outcome"),
            (f"sum(rate(todoke_worker_redeliveries_total{_RATE}))", "received again"),
        ]),
        Panel("From due to started", "s", _quantiles("todoke_job_wait_seconds")),
        Panel("Attempts", "cps", [_rate("todoke_attempts_total", "outcome")]),
        Panel("Lost: late writes, leases, swept", "cps", [
            (f"sum(rate(todoke_worker_late_writes_refused_total{_RATE}))", "late writes refused"),
            (f"sum(rate(todoke_worker_leases_lost_total{_RATE}))", "leases lost"),
            _rate("todoke_jobs_swept_total", "kind"),
        ]),
        Panel("Heartbeat lateness", "s", _quantiles("todoke_worker_heartbeat_lateness_seconds")),
        Panel("Polls", "cps", [_rate("todoke_worker_polls_total", "outcome")]),
        Panel("Unfit: takes no jobs, gives back", "short", [
            ("sum by (cause) (todoke_worker_unfit)", "unfit {{cause}}"),
            ("sum by (cause) (increase(todoke_worker_own_faults_total[10m]))", "given back in 10 minutes {{cause}}"),
        ]),
        Panel("Scratch", "bytes", [
            ("sum by (instance, of) (todoke_worker_scratch_bytes)", "{{instance}} {{of}}"),
            ("min by (instance) (todoke_worker_scratch_free_bytes)", "{{instance}} free"),
        ]),
        Panel("Put aside and tidied up", "cps", [
            (f"sum by (reason) (rate(todoke_worker_dead_lettered_total{_RATE}))", "dead letters {{reason}}"),
            (f"sum by (kind) (rate(todoke_worker_scratch_removed_total{_RATE}))", "scratch {{kind}}"),
        ]),
    )),
    ("Reports", (
        Panel("Attempts, 99 %", "s", [
            _p99("todoke_attempt_seconds", "report_type"),
        ]),
        Panel("Where the time goes", "s", [
            (f"sum by (report_type, phase, format) (rate(todoke_report_seconds_sum{_RATE}))",
             "{{report_type}} {{phase}} {{format}}"),
        ]),
        Panel("Rows", "rowsps", [_rate("todoke_report_rows_total", "report_type, format")]),
        Panel("Bytes", "Bps", [_rate("todoke_report_bytes_total", "report_type, format")]),
        Panel("Processor time of reports", "short", [_rate("todoke_attempt_cpu_seconds_total", "report_type")]),
        Panel("Peak memory of reports", "bytes", [_p99("todoke_attempt_peak_memory_bytes", "report_type")]),
        Panel("Bytes read by reports, and made", "Bps", [
            _rate("todoke_attempt_read_bytes_total", "report_type"),
            _rate("todoke_attempt_written_bytes_total", "report_type"),
        ]),
        Panel("Artifact store", "reqps", [_rate("todoke_artifact_requests_total", "operation, outcome")]),
        Panel("Damaged files, files that nobody knows", "short", [
            ('sum by (operation) (increase(todoke_artifact_requests_total{outcome="damaged"}[1h]))',
             "damaged in an hour {{operation}}"),
            ("max(todoke_artifact_unknown_files)", "unknown to the database"),
        ]),
        Panel("Bytes in the artifact store", "bytes", [("max(todoke_artifact_stored_bytes)", "all files of reports")]),
        Panel("Retention", "cps", [
            _rate("todoke_retention_removed_total", "kind"),
            (f"sum(rate(todoke_retention_files_kept_total{_RATE}))", "not deleted by the store"),
        ]),
        Panel("Schedules", "cps", [
            _rate("todoke_schedule_ticks_total", "fate, reason"),
            ("max(todoke_schedule_oldest_due_tick_seconds)", "the oldest due tick is late by, s"),
            ("max(todoke_schedule_ticks_missed)", "missed within an hour"),
            ("max(todoke_schedules_failing)", "schedules that fail"),
        ]),
        Panel("Webhooks", "cps", [
            _rate("todoke_webhook_deliveries_total", "outcome"),
            (f"sum(rate(todoke_webhook_events_total{_RATE}))", "events"),
            (f"sum(rate(todoke_webhook_late_writes_total{_RATE}))", "written too late"),
        ]),
        Panel("Deliveries that wait", "short", [
            ("max(todoke_webhook_deliveries_waiting)", "due now or later"),
            ("max(todoke_webhook_oldest_due_delivery_seconds)", "the oldest due one is late by, s"),
            ("max(todoke_webhooks_disabled)", "webhooks disabled for what they answered"),
        ]),
        Panel("Time of a delivery", "s", [
            *_quantiles("todoke_webhook_delivery_seconds"),
        ]),
        Panel("Deleted jobs whose files wait", "short", [
            ("max(todoke_erasures_waiting)", "jobs"),
            ("max(todoke_erasure_oldest_age_seconds)", "age of the oldest, s"),
        ]),
        Panel("Bulk actions", "short", [
            ("max(todoke_bulk_running)", "running"),
            ("max(todoke_bulk_standing_seconds)", "has not come on for, s"),
            _rate("todoke_bulk_jobs_total", "outcome"),
        ]),
    )),
    ("API and database", (
        Panel("Requests by route", "reqps", [_rate("todoke_api_requests_total", "route")]),
        Panel("Streams that ended", "cps", [_rate("todoke_api_streams_total", "of, how")]),
        Panel("Answers by status", "reqps", [_rate("todoke_api_requests_total", "status")]),
        Panel("Time to answer, 99 %", "s", [
            _p99("todoke_api_request_seconds", "route"),
        ]),
        Panel("Submissions that shared a commit", "short", _quantiles("todoke_submit_batch_submissions")),
        Panel("Since the database was read", "s", [
            ("time() - max(todoke_relay_measured_timestamp_seconds)", "by the last relay"),
        ]),
        Panel("Statements, 99 %", "s", [
            _p99("todoke_statement_seconds", "statement"),
        ]),
        Panel("Refused credentials, issuers asked for keys", "cps", [
            _rate("todoke_api_credentials_refused_total", "reason"),
            _rate("todoke_api_issuer_key_fetches_total", "issuer, outcome"),
            ("sum(rate(todoke_api_rate_counted_alone_total[5m]))", "rate counted alone"),
        ]),
        Panel("Requests with links to files", "cps", [_rate("todoke_api_share_downloads_total", "outcome")]),
        Panel("Files of schedules that are refused", "short", [
            ("max by (reason) (todoke_api_schedule_files_refused)", "{{reason}}"),
        ]),
        Panel("Changes in the audit trail", "cps", [_rate("todoke_audit_entries_total", "action")]),
        Panel("Oldest snapshot, by holder", "short", [
            ("max by (holder) (todoke_database_xmin_age_transactions)", "{{holder}}"),
        ]),
    )),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard in Grafana's format."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        panels.append({"type": "row", "id": len(panels) + 1, "title": title, "collapsed": False, "gridPos": place})
        y += 1
        for n, panel in enumerate(row):
            place = {"h": _HEIGHT, "w": _WIDTH, "x": n % 3 * _WIDTH, "y": y + n // 3 * _HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
        y += -(-len(row) // 3) * _HEIGHT
    return {
        "uid": "todoke", "title": "Todoke", "tags": ["todoke"], "schemaVersion": 39, "editable": False,
        "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "timezone": "browser", "panels": panels,
    }  # fmt: skip


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for n, (expression, legend) in enumerate(panel.series)
    ]
    return {
        "type": "timeseries", "id": number, "title": panel.title, "datasource": _SOURCE, "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}, "targets": targets,
    }  # fmt: skip


def rendered() -> str:
    """Return the file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered())
