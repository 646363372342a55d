"""Whether anyone who is notified of a job's end has a condition on a figure of its report."""

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.catalog.figures import ROWS
from shared.webhooks.conditions import Conditions

_WANTED = text("""
    /* webhooks.want_figures */
    SELECT EXISTS (
        SELECT FROM webhooks
         WHERE tenant = :tenant AND disabled_at IS NULL AND 'job.succeeded' = ANY (types)
           AND (report_types IS NULL OR :report_type = ANY (report_types))
           AND jsonb_path_exists(notify_when, '$[*].figure ? (@ <> "rows")'))
""")


def wanted(conn: Connection, tenant: str, report_type: str, own: Conditions | None) -> bool:
    """True if a webhook of the tenant has conditions for such jobs on a figure other than their rows, or if `own`, the
    conditions of the job's callback, do.
    """
    return _names_one(own) or bool(conn.execute(_WANTED, {"tenant": tenant, "report_type": report_type}).scalar_one())


def _names_one(conditions: Conditions | None) -> bool:
    return any(not isinstance(one, str) and one.get("figure") != ROWS for one in conditions or ())
