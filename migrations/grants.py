"""The rights of each service's database role: exactly these, for every role that is passed to `migrate`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from migrations.granting import by_the_owner, set_bounds
from shared.database.engine import create_engine, transactional
from shared.database.tables import metadata
from shared.errors import TodokeError


class RoleMissing(TodokeError):
    """A role to be granted rights does not exist."""


@dataclass(frozen=True, slots=True)
class _Grant:
    right: str
    table: str
    columns: Sequence[str] = ()
    """Empty means all of them."""

    def sql(self, role: str) -> str:
        """Return the statement that grants the right to `role`."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"GRANT {self.right}{columns} ON {self.table} TO {role}"


# What a transition writes. No service may change what was requested: id, tenant, report_type, parameters, formats.
_TRANSITION = (
    "status", "verb", "version", "attempt", "crashes", "rings", "lease_token", "lease_until", "worker", "progress",
    "error", "run_at", "next_ring_at", "updated_at", "started_at", "finished_at",
)  # fmt: skip
# Parameters, progress and results concern the tenant only. The relay sends the job's id, and at its deadline records
# the error of its last attempt.
_RELAY_READS = (
    "id", "tenant", "report_type", "status", "verb", "version", "attempt", "max_attempts", "crashes",
    "max_crashes", "rings", "lease_token", "lease_until", "worker", "trace_context", "priority", "run_at",
    "next_ring_at", "deadline_at",
    "created_at", "updated_at", "started_at", "cancel_requested_at", "finished_at", "keep_artifacts_s", "keep_s",
    "error", "scheduled_for", "deleted_at", "formats", "options",
)  # fmt: skip
# What else selects the jobs of a bulk action. Only `bulk_act` may then act on them.
_RELAY_PICKS_BY = ("requester", "labels", "retry_of", "schedule_id")
_BULK_ACT = "FUNCTION bulk_act(uuid, uuid[], uuid[])"
_ENTRY = ("tenant", "subject", "key_id", "request_id", "address", "action", "object", "before", "after")
_KEY = (
    "id", "key_sha256", "tenant", "name", "scopes", "created_by", "replaces", "request", "digest", "expires_at",
)  # fmt: skip
# A client begins and stops a bulk action, never with more rights than before; the relay carries it out.
_BULK_BEGINS = (
    "state", "hidden", "sees_only", "terms", "key_id", "request_id", "address", "started_at", "moved_at", "due_at",
    "ended_at", "stopped_by", "version", "reason",
)  # fmt: skip
_BULK_MOVES = (
    "state", "position", "outcomes", "moved_at", "due_at", "ended_at", "failures", "last_error", "version",
)  # fmt: skip
_MESSAGE = ("topic", "group_key", "payload", "headers")

# What a tick changes of its schedule.
_MOVES = (
    "next_tick", "due_at", "stopped_at", "stop_reason", "version", "owner_key", "last_tick", "last_job_id",
    "due_job_id", "failing_since", "failing_because",
)  # fmt: skip

# What a delivery changes of its webhook, and of itself.
_DELIVERING = (
    "disabled_at", "disabled_because", "failing_since", "last_success_at", "last_failure_at", "throttled_until",
    "version", "updated_at",
)  # fmt: skip
_DELIVERED = ("state", "due_at", "lease_token", "tries", "attempts", "ended_at", "last_status", "last_error")

# Any service can check from its own connection whether the database was migrated.
_REVISION = _Grant("SELECT", "alembic_version")

_GRANTS: Mapping[str, Sequence[_Grant]] = {
    "api": (
        _REVISION,
        _Grant("SELECT, INSERT", "jobs"),
        _Grant("UPDATE", "jobs", ("status", "verb", "version", "finished_at", "cancel_requested_at", "updated_at")),
        _Grant("UPDATE", "jobs", ("keep_artifacts_s", "keep_s")),
        # A deletion blanks these. Triggers refuse it for anything else.
        _Grant(
            "UPDATE",
            "jobs",
            ("deleted_at", "parameters", "options", "labels", "file_name", "reuse_key", "progress", "result", "error"),
        ),
        _Grant("INSERT", "erasures", ("job_id", "tenant")),
        _Grant("SELECT", "job_events"),
        _Grant("SELECT", "artifacts"),
        # The tables that lists read. Triggers and the relay write them.
        *(_Grant("SELECT", table) for table in ("failures", "job_labels", "unfinished_floor", "stragglers")),
        _Grant("SELECT, INSERT, DELETE", "page_token_keys"),
        _Grant("SELECT, INSERT", "idempotency_keys"),
        _Grant("SELECT", "api_keys"),
        _Grant("INSERT", "api_keys", _KEY),
        _Grant("UPDATE", "api_keys", ("expires_at", "last_used_at", "revoked_at")),
        _Grant("INSERT", "outbox", _MESSAGE),
        _Grant("INSERT", "outbox_retry", (*_MESSAGE, "due_at")),
        _Grant("SELECT, DELETE", "console_sessions"),
        _Grant("INSERT", "console_sessions", ("token_sha256", "tenant", "key_id", "subject", "scopes", "expires_at")),
        _Grant("UPDATE", "console_sessions", ("seen_at",)),
        # Created on the server, by a user who may write keys; a console uses them up.
        _Grant("SELECT, DELETE", "sign_in_codes"),
        _Grant("SELECT, INSERT, DELETE", "saved_views"),
        _Grant("SELECT, INSERT", "shares"),
        _Grant("INSERT", "job_passwords"),
        _Grant("UPDATE", "shares", ("downloads", "last_download_at", "revoked_at", "revoked_by")),
        _Grant("SELECT", "audit"),
        _Grant("INSERT", "audit", _ENTRY),
        # Why a job waits: how late messages are, and which workers run.
        _Grant("SELECT", "outbox", ("id", "created_at")),
        _Grant("SELECT", "outbox_id_seq"),
        _Grant("SELECT", "workers"),
        *(_Grant("SELECT", table) for table in ("pauses", "caps", "slots", "held", "report_sources")),
        # What operators pause and cap. Only workers record which job holds an existing slot.
        _Grant("INSERT", "pauses", ("kind", "name", "reason", "paused_by", "until")),
        _Grant("UPDATE", "pauses", ("reason", "until", "ended_at")),
        _Grant("INSERT, DELETE", "caps"),
        _Grant("UPDATE", "caps", ("running",)),
        _Grant("INSERT, DELETE", "slots"),
        _Grant("SELECT, INSERT, UPDATE", "tenant_rates"),
        _Grant("SELECT, INSERT, DELETE", "queue_caps"),
        _Grant("UPDATE", "queue_caps", ("most",)),
        *(_Grant("SELECT", table) for table in ("job_minutes", "job_hours", "job_totals")),
        _Grant("SELECT", "accepted_minutes"),
        # What operators see and request: the relay carries out whatever concerns the queue.
        _Grant("SELECT", "measurements"),
        _Grant("UPDATE", "measurements", ("next_at",)),
        _Grant("SELECT", "dead_letters"),
        _Grant("UPDATE", "dead_letters", ("wish", "wished_at", "wished_by")),
        _Grant("SELECT, DELETE", "outbox_retry"),
        _Grant("UPDATE", "outbox_retry", ("parked_at", "due_at", "last_error")),
        _Grant("SELECT, INSERT", "bulk_actions"),
        _Grant("UPDATE", "bulk_actions", _BULK_BEGINS),
        _Grant("SELECT", "bulk_results"),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "schedules"),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "schedule_ticks"),
        # Webhooks belong to their tenant. A trigger writes the events; a client requests pings and redeliveries.
        _Grant("SELECT, INSERT, UPDATE", "webhooks"),
        _Grant("SELECT, INSERT, DELETE", "webhook_secrets"),
        _Grant("UPDATE", "webhook_secrets", ("ends_at",)),
        _Grant("SELECT", "webhook_events"),
        _Grant("INSERT", "webhook_events", ("tenant", "type", "webhook_id", "spread_at")),
        _Grant("SELECT", "webhook_deliveries"),
        _Grant("INSERT", "webhook_deliveries", ("webhook_id", "event_id", "tenant", "body")),
        _Grant("UPDATE", "webhook_deliveries", ("state", "due_at", "tries", "ended_at", "lease_token")),
        _Grant("SELECT", "webhook_attempts"),
    ),
    "relay": (
        _REVISION,
        _Grant("SELECT", "jobs", _RELAY_READS),
        _Grant("UPDATE", "jobs", [*(c for c in _TRANSITION if c != "started_at"), "result", "deadline_at"]),
        _Grant("SELECT, UPDATE, DELETE", "erasures"),
        _Grant("SELECT", "unfinished_floor"),
        _Grant("UPDATE", "unfinished_floor", ("reached", "announced", "fence")),
        _Grant("SELECT, INSERT, DELETE", "stragglers"),
        _Grant("SELECT, DELETE", "outbox"),
        _Grant("INSERT", "outbox", _MESSAGE),
        # PostgreSQL requires UPDATE on some column for locking a row (SELECT, "The Locking Clause").
        _Grant("UPDATE", "outbox", ("headers",)),
        # Retention. A trigger protects every job until its time is over, and deletes its history and keys with it.
        _Grant("DELETE", "jobs"),
        _Grant("SELECT", "artifacts", ("job_id", "lease_token", "name")),
        _Grant("DELETE", "artifacts"),
        _Grant("UPDATE", "artifacts", ("media_type",)),
        _Grant("SELECT", "idempotency_keys", ("tenant", "operation", "key", "job_id", "created_at")),
        _Grant("DELETE", "idempotency_keys"),
        _Grant("UPDATE", "idempotency_keys", ("meaning_digest",)),
        _Grant("SELECT", "audit", ("id", "at")),
        _Grant("DELETE", "audit"),
        _Grant("UPDATE", "audit", ("after",)),  # to lock; a trigger refuses actual updates
        _Grant("DELETE", "api_keys"),  # those that have ended: a trigger refuses others
        _Grant("SELECT, INSERT, UPDATE, DELETE", "outbox_retry"),
        _Grant("SELECT, INSERT, DELETE", "held"),
        _Grant("UPDATE", "held", ("headers",)),
        *(_Grant("SELECT", table) for table in ("caps", "queue_caps", "slots", "report_sources")),
        _Grant("SELECT, UPDATE, DELETE", "pauses"),
        _Grant("SELECT", "outbox_id_seq"),
        _Grant("SELECT, DELETE, UPDATE", "tenant_rates"),
        *(_Grant("SELECT, DELETE", table) for table in ("workers", "shares")),
        _Grant("UPDATE", "shares", ("revoked_by",)),  # to lock
        *(_Grant("SELECT, INSERT, UPDATE, DELETE", f"job_{one}") for one in ("minutes", "hours", "totals")),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "accepted_minutes"),
        _Grant("SELECT, INSERT, UPDATE", "measurements"),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "dead_letters"),
        _Grant("SELECT", "jobs", _RELAY_PICKS_BY),
        _Grant("SELECT", "failures"),
        _Grant("SELECT", "job_labels"),
        _Grant("SELECT, DELETE", "bulk_actions"),
        _Grant("UPDATE", "bulk_actions", _BULK_MOVES),
        _Grant("SELECT, INSERT, DELETE", "bulk_results"),
        _Grant("EXECUTE", _BULK_ACT),
        _Grant("SELECT", "queue_caps"),
        # Schedules: it submits their jobs on behalf of their owners, and cancels the previous one if they say so.
        _Grant("SELECT", "schedules"),
        _Grant("UPDATE", "schedules", _MOVES),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "schedule_ticks"),
        _Grant("SELECT", "api_keys", ("id", "tenant", "scopes", "replaces", "expires_at", "revoked_at")),
        # None of its jobs has a key or a password, but the statement that creates jobs names these tables.
        *(_Grant("INSERT", table) for table in ("jobs", "idempotency_keys", "job_passwords")),
        _Grant("UPDATE", "jobs", ("cancel_requested_at",)),
        # Webhooks: it distributes events, delivers them, and records the outcome.
        _Grant("SELECT, DELETE", "webhooks"),
        _Grant("UPDATE", "webhooks", _DELIVERING),
        _Grant("SELECT, DELETE", "webhook_secrets"),
        _Grant("SELECT, DELETE", "webhook_events"),
        _Grant("UPDATE", "webhook_events", ("spread_at", "figures")),
        _Grant("SELECT, DELETE", "webhook_deliveries"),
        _Grant("INSERT", "webhook_deliveries", ("webhook_id", "event_id", "tenant", "url", "body")),
        _Grant("UPDATE", "webhook_deliveries", _DELIVERED),
        _Grant("SELECT, INSERT", "webhook_attempts"),
    ),
    "worker": (
        _REVISION,
        _Grant("SELECT", "jobs"),
        _Grant("UPDATE", "jobs", (*_TRANSITION, "result")),
        _Grant("INSERT", "artifacts"),
        _Grant("INSERT", "outbox", _MESSAGE),
        _Grant("INSERT", "outbox_retry", (*_MESSAGE, "due_at")),
        _Grant("SELECT, INSERT, UPDATE, DELETE", "workers"),
        _Grant("UPDATE", "slots", ("job_id", "lease_token")),
        _Grant("SELECT, INSERT", "held"),
        *(_Grant("SELECT", table) for table in ("pauses", "caps", "slots", "job_passwords")),
        _Grant("SELECT, INSERT, UPDATE", "report_sources"),
        # Whether a webhook depends on a figure of a report.
        _Grant("SELECT", "webhooks", ("tenant", "disabled_at", "types", "report_types", "notify_when")),
    ),
}

SERVICES = tuple(_GRANTS)
"""The services that have their own role."""


def grant(database_url: str, roles: Mapping[str, str]) -> None:
    """Give each role exactly the rights of its service, and the limits of its sessions. `roles` is service → role.

    All other rights of the role are revoked. This is one transaction, so a running service never lacks a right. The
    limits then apply behind a pooler, too. Triggers write the history as the owner, so no service can forge it. Raises
    RoleMissing (the operator must create a login and its password), RoleNotOurs, and TablesNotOurs.
    """
    engine = create_engine(database_url, application_name="todoke-migrations")
    try:
        with transactional(engine).begin() as conn, by_the_owner(conn):
            for service, role in roles.items():
                _grant_one(conn, role, _GRANTS[service])
    finally:
        engine.dispose()


_LACKING = text("""
    /* grants.lacking */
    SELECT DISTINCT asked.right, asked.name, asked.columns
      FROM jsonb_to_recordset(CAST(:grants AS jsonb)) AS asked("right" text, name text, columns text[]),
           unnest(coalesce(asked.columns, '{NULL}')) AS one
     WHERE NOT CASE WHEN asked.name LIKE 'FUNCTION %'
                    THEN has_function_privilege(:role, substr(asked.name, 10), asked.right)
                    WHEN (SELECT relkind FROM pg_class WHERE oid = asked.name::regclass) = 'S'
                    THEN has_sequence_privilege(:role, asked.name, asked.right)
                    WHEN one IS NULL THEN has_table_privilege(:role, asked.name, asked.right)
                    ELSE has_column_privilege(:role, asked.name, one, asked.right) END
     ORDER BY 2, 1, 3
""")


def lacking(conn: Connection, service: str, role: str) -> list[str]:
    """Return the rights that the service needs and the role lacks, such as `UPDATE ON jobs`. Raises RoleMissing."""
    _must_exist(conn, role)
    asked = [
        {"right": right, "name": one.table, "columns": list(one.columns) or None}
        for one in _GRANTS[service]
        for right in one.right.split(", ")
    ]
    rows = conn.execute(_LACKING, {"grants": json.dumps(asked), "role": role})
    return list(dict.fromkeys(f"{right} ON {name}" for right, name, _ in rows))


def _must_exist(conn: Connection, role: str) -> None:
    if not conn.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first():
        raise RoleMissing(
            f"there is no role {role!r}: make it first, for example CREATE ROLE {role} LOGIN PASSWORD '…'"
        )


def _grant_one(conn: Connection, role: str, grants: Sequence[_Grant]) -> None:
    _must_exist(conn, role)
    quoted = conn.dialect.identifier_preparer.quote_identifier(role)
    schema, database = conn.execute(text("SELECT quote_ident(current_schema()), quote_ident(current_database())")).one()
    conn.execute(text(f"GRANT CONNECT ON DATABASE {database} TO {quoted}"))
    conn.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}"))
    for table in (*metadata.tables, "job_events", "outbox_id_seq", "alembic_version", _BULK_ACT):
        conn.execute(text(f"REVOKE ALL ON {table} FROM {quoted}"))
    for one in grants:
        conn.execute(text(one.sql(quoted)))
    set_bounds(conn, role)
