"""Todoke's promises about notifications, as queries that must return no row."""

_ENDS = "('job.succeeded', 'job.failed', 'job.cancelled')"
# The distributed events, each with the figures of its job's report.
_EVENTS = """webhook_events e
          LEFT JOIN LATERAL (
               SELECT coalesce(j.result -> 'figures', '{}') || jsonb_build_object('rows', max(a.rows)) AS figures
                 FROM jobs j LEFT JOIN artifacts a ON a.job_id = j.id
                WHERE j.id = e.job_id AND e.type = 'job.succeeded' GROUP BY j.id) AS f ON true
          JOIN (SELECT) AS spread ON e.spread_at IS NOT NULL"""
# A webhook is owed the events since its last change.
_ASKED_BEFORE = "w.disabled_at IS NULL AND w.updated_at < e.at"
_FIGURES_ARE_THERE = "(e.type <> 'job.succeeded' OR EXISTS (SELECT FROM artifacts kept WHERE kept.job_id = e.job_id))"


def _met(when: str) -> str:
    """True if the event meets these conditions: computed here, independently of the product's code."""
    return f"""({when} IS NULL OR e.type NOT IN {_ENDS} OR EXISTS (
               SELECT FROM jsonb_array_elements({when}) AS one
                WHERE one = '"failure"' AND e.type = 'job.failed'
                   OR one = '"rows"' AND (f.figures ->> 'rows')::float8 > 0
                   OR (f.figures ->> (one ->> 'figure'))::float8 > (one ->> 'above')::float8
                   OR (f.figures ->> (one ->> 'figure'))::float8 < (one ->> 'below')::float8))"""


TOLD = {
    "12: an event tells what has happened": """
        SELECT e.id FROM webhook_events e JOIN jobs j ON j.id = e.job_id
         WHERE j.finished_at IS NULL OR j.status <> e.status OR j.tenant <> e.tenant
            OR e.type <> 'job.expired' AND (e.version > j.version OR e.type <> CASE j.status
                WHEN 'SUCCESS' THEN 'job.succeeded' WHEN 'FAILED' THEN 'job.failed' ELSE 'job.cancelled' END)""",
    # For runs that change no webhook: one that existed before the end was subscribed to it.
    "12: an end that somebody wants to know of has its event": """
        SELECT j.id FROM jobs j WHERE j.finished_at IS NOT NULL AND EXISTS (
               SELECT FROM webhooks w WHERE w.tenant = j.tenant AND w.updated_at < j.created_at
                  AND w.disabled_at IS NULL AND (w.report_types IS NULL OR j.report_type = ANY (w.report_types))
                  AND CASE j.status WHEN 'SUCCESS' THEN 'job.succeeded' WHEN 'FAILED' THEN 'job.failed'
                                    ELSE 'job.cancelled' END = ANY (w.types))
           AND NOT EXISTS (SELECT FROM webhook_events e WHERE e.job_id = j.id AND e.type <> 'job.expired')""",
    "12: a webhook is owed what it wants, under its conditions": f"""
        SELECT e.id, w.id FROM {_EVENTS} JOIN webhooks w ON w.tenant = e.tenant
         WHERE e.type = ANY (w.types) AND (w.report_types IS NULL OR e.report_type = ANY (w.report_types))
           AND {_ASKED_BEFORE} AND {_met("w.notify_when")} AND NOT EXISTS (
               SELECT FROM webhook_deliveries d WHERE (d.event_id, d.webhook_id) = (e.id, w.id) AND d.url IS NULL)""",
    "12: a webhook is told nothing that its conditions keep from it": f"""
        SELECT d.id FROM {_EVENTS} JOIN webhook_deliveries d ON d.event_id = e.id AND d.url IS NULL
          JOIN webhooks w ON w.id = d.webhook_id
         WHERE {_ASKED_BEFORE} AND NOT {_met("w.notify_when")} AND {_FIGURES_ARE_THERE}""",
    "12: a callback is told what its conditions let through, once, and nothing else": f"""
        SELECT e.id FROM {_EVENTS}
         WHERE e.callback_url IS NOT NULL AND EXISTS (
               SELECT FROM webhooks w WHERE w.tenant = e.tenant AND {_ASKED_BEFORE}
                  AND starts_with(e.callback_url || '/', w.origin || '/'))
           AND ({_met("e.callback_when")} OR {_FIGURES_ARE_THERE})
           AND (SELECT count(*) FROM webhook_deliveries d WHERE d.event_id = e.id AND d.url = e.callback_url)
               <> {_met("e.callback_when")}::int""",
    "12: a tick that went by or failed has its event, where somebody wants to know": """
        SELECT t.schedule_id, t.tick FROM schedule_ticks t JOIN schedules s ON s.id = t.schedule_id
         WHERE (t.fate = 'failed' OR t.fate = 'skipped' AND t.reason = 'missed') AND EXISTS (
               SELECT FROM webhooks w WHERE w.tenant = t.tenant AND w.updated_at < t.at AND w.disabled_at IS NULL
                  AND (w.report_types IS NULL OR s.report_type = ANY (w.report_types))
                  AND CASE t.fate WHEN 'failed' THEN 'schedule.failed' ELSE 'schedule.missed' END = ANY (w.types))
           AND NOT EXISTS (SELECT FROM webhook_events e WHERE (e.schedule_id, e.tick) = (t.schedule_id, t.tick))""",
    "12: nothing waits for a webhook that is disabled": """
        SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.state = 'waiting' AND w.disabled_at IS NOT NULL""",
    "12: what was delivered is written down": """
        SELECT d.id FROM webhook_deliveries d
         WHERE d.attempts <> (SELECT count(*) FROM webhook_attempts a WHERE a.delivery_id = d.id)
            OR d.state = 'delivered' AND NOT EXISTS (
               SELECT FROM webhook_attempts a WHERE a.delivery_id = d.id AND a.status BETWEEN 200 AND 299)""",
}
