"""Bulk actions, the outcome for each of their jobs, and the only function through which a relay may act on jobs for a
client, as revision 0001 creates them.
"""

# The horizon is (horizon, created_at): jobs accepted later are never included. The row records what its creator may see
# and do, so that the relay that carries it out needs no rights of its own.
_ACTIONS = """
CREATE TABLE bulk_actions (
    id          uuid        PRIMARY KEY,
    tenant      text        NOT NULL CHECK (tenant ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    action      text        NOT NULL CHECK (action IN ('cancel', 'retry', 'delete')),
    state       text        NOT NULL CHECK (state IN ('DRY_RUN', 'RUNNING', 'DONE', 'STOPPED')),
    filter      jsonb       NOT NULL CHECK (jsonb_typeof(filter) = 'object'),
    reason      text        NOT NULL CHECK (length(reason) <= 500),
    matched     jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    horizon     uuid        NOT NULL,
    subject     text,
    key_id      text        COLLATE "C",
    request_id  text,
    address     text,
    sees_only   text,
    hidden      text[]      NOT NULL,
    terms       jsonb       CHECK ((action = 'retry') = (terms IS NOT NULL)),
    request     text,
    digest      text        CHECK ((digest IS NULL) = (request IS NULL)),
    position    uuid        NOT NULL,
    outcomes    jsonb       NOT NULL DEFAULT '{}',
    started_at  timestamptz,
    moved_at    timestamptz,
    due_at      timestamptz CHECK ((state = 'RUNNING') = (due_at IS NOT NULL)),
    ended_at    timestamptz CHECK ((state IN ('DONE', 'STOPPED')) = (ended_at IS NOT NULL)),
    stopped_by  text,
    failures    smallint    NOT NULL DEFAULT 0,
    last_error  text,
    version     integer     NOT NULL DEFAULT 1 CHECK (version > 0)
)
"""

_INDEXES = (
    "CREATE INDEX bulk_actions_by_tenant ON bulk_actions (tenant, id)",
    "CREATE INDEX bulk_actions_by_subject ON bulk_actions (tenant, subject, id) WHERE subject IS NOT NULL",
    "CREATE INDEX bulk_actions_due ON bulk_actions (due_at) WHERE state = 'RUNNING'",
    "CREATE INDEX bulk_actions_running ON bulk_actions (tenant) WHERE state = 'RUNNING'",
    "CREATE UNIQUE INDEX bulk_actions_by_request ON bulk_actions (tenant, request) WHERE request IS NOT NULL",
)

# The primary key ensures that an action handles a job once, even if a process forgets that it did.
_RESULTS = """
CREATE TABLE bulk_results (
    bulk_id    uuid NOT NULL,
    job_id     uuid NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('cancelled', 'requested', 'retried', 'deleted', 'unchanged',
                                                'refused')),
    code       text CHECK ((code IS NOT NULL) = (outcome = 'refused')),
    new_job_id uuid CHECK ((new_job_id IS NOT NULL) = (outcome = 'retried')),
    PRIMARY KEY (bulk_id, job_id)
)
"""

_RESULTS_BY_OUTCOME = "CREATE INDEX bulk_results_by_outcome ON bulk_results (bulk_id, outcome, job_id)"

# The relay may neither read what jobs request nor create, cancel or delete any by itself. It may do so only through an
# action that is RUNNING: to jobs of its tenant that its creator can see, from before its horizon. If the creator's key
# has been revoked since, and perhaps deleted, the action ends. `makes` are ids for new jobs, one for each of `ids`.
_ALLOWED = """j.id = ANY (ids) AND j.tenant = b.tenant AND (b.sees_only IS NULL OR j.requester = b.sees_only)
               AND j.report_type <> ALL (b.hidden) AND j.created_at <= b.created_at AND j.id < b.horizon
               AND j.deleted_at IS NULL"""

_TELL = """INSERT INTO audit (tenant, subject, key_id, request_id, address, action, object, after)
            SELECT b.tenant, b.subject, b.key_id, b.request_id, b.address,"""

_ACT = f"""
CREATE FUNCTION bulk_act(of_bulk uuid, ids uuid[], makes uuid[])
    RETURNS TABLE (job_id uuid, outcome text, new_job_id uuid, report_type text, age_s float8)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {{schema}}, pg_temp AS $$
#variable_conflict use_column
DECLARE
    b bulk_actions;
BEGIN
    SELECT * INTO b FROM bulk_actions WHERE id = of_bulk AND state = 'RUNNING' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF b.key_id IS NOT NULL AND NOT EXISTS (SELECT FROM api_keys WHERE id = b.key_id AND revoked_at IS NULL) THEN
        UPDATE bulk_actions
           SET state = 'STOPPED', ended_at = clock_timestamp(), due_at = NULL, version = version + 1,
               last_error = 'the API key that started it was revoked'
         WHERE id = of_bulk;
        RETURN;
    END IF;
    IF b.action = 'cancel' THEN
        RETURN QUERY
        WITH done AS (
            UPDATE jobs j
               SET status = CASE j.status WHEN 'PENDING' THEN 'CANCELLED' ELSE j.status END,
                   verb = CASE j.status WHEN 'PENDING' THEN 'cancel' ELSE j.verb END,
                   finished_at = CASE j.status WHEN 'PENDING' THEN clock_timestamp() END,
                   cancel_requested_at = clock_timestamp(),
                   version = j.version + 1, updated_at = clock_timestamp()
             WHERE {_ALLOWED} AND j.finished_at IS NULL AND j.cancel_requested_at IS NULL
            RETURNING j.id, CASE j.status WHEN 'CANCELLED' THEN 'cancelled' ELSE 'requested' END AS outcome,
                      j.report_type, extract(epoch FROM clock_timestamp()
                                                         - greatest(j.created_at, j.scheduled_for))::float8 AS age_s
        ), told AS (
            {_TELL} 'jobs.cancel', 'jobs/' || done.id, jsonb_build_object('outcome', done.outcome, 'bulk', b.id)
              FROM done
        )
        SELECT done.id, done.outcome, NULL::uuid, done.report_type, done.age_s FROM done;
    ELSIF b.action = 'delete' THEN
        RETURN QUERY
        WITH done AS (
            UPDATE jobs j
               SET deleted_at = clock_timestamp(), version = j.version + 1, updated_at = clock_timestamp(),
                   parameters = '{{}}', options = NULL, labels = NULL, file_name = NULL, reuse_key = NULL,
                   progress = NULL,
                   result = CASE WHEN j.status <> 'SUCCESS' THEN NULL
                                 WHEN cardinality(j.formats) = 0 THEN '{{"answer": null}}'::jsonb
                                 ELSE '{{}}'::jsonb END,
                   error = CASE WHEN j.error IS NOT NULL THEN jsonb_build_object(
                       'code', j.error -> 'code', 'message', '', 'retryable', j.error -> 'retryable', 'hint', '') END
             WHERE {_ALLOWED} AND j.finished_at IS NOT NULL
            RETURNING j.id, j.tenant, j.report_type,
                      extract(epoch FROM clock_timestamp()
                                                         - greatest(j.created_at, j.scheduled_for))::float8 AS age_s
        ), queued AS (
            INSERT INTO erasures (job_id, tenant) SELECT done.id, done.tenant FROM done
        ), told AS (
            {_TELL} 'jobs.delete', 'jobs/' || done.id, jsonb_build_object('bulk', b.id) FROM done
        )
        SELECT done.id, 'deleted', NULL::uuid, done.report_type, done.age_s FROM done;
    ELSE
        -- As a retry by the API makes them (services/api/actions/retries.py): what is not possible any more is left
        -- out, and bounds are those of now. The key keeps an original from being asked for twice by one action.
        RETURN QUERY
        WITH old AS MATERIALIZED (
            SELECT j.*, asked.new_id, b.terms -> 'types' -> j.report_type AS type,
                   nullif(greatest(j.scheduled_for, now()), now()) AS later,
                   (j.options ->> 'keepFilesSeconds')::int AS keep_files, (j.options ->> 'keepSeconds')::int AS keep,
                   (j.options ->> 'notAfter')::timestamptz AS not_after
              FROM unnest(ids, makes) AS asked(old_id, new_id) JOIN jobs j ON j.id = asked.old_id
             WHERE {_ALLOWED} AND j.finished_at IS NOT NULL AND b.terms -> 'types' ? j.report_type
               AND NOT coalesce(j.options ? 'encrypted', false)  -- its password is gone
        ), claimed AS (
            INSERT INTO idempotency_keys AS k (tenant, operation, key, body_digest, meaning_digest, job_id)
            SELECT old.tenant, 'bulk', b.id || '/' || old.id, '', '', old.new_id FROM old ORDER BY old.id
                ON CONFLICT (tenant, operation, key) DO NOTHING
            RETURNING k.job_id
        ), kept AS MATERIALIZED (
            SELECT old.*,
                   coalesce(least(keep, (b.terms ->> 'mostKeepS')::int),
                            greatest((b.terms ->> 'keepS')::int,
                                     least(keep_files, (b.terms ->> 'mostKeepFilesS')::int))) AS kept_s,
                   coalesce(least(keep_files, (b.terms ->> 'mostKeepFilesS')::int),
                            (b.terms ->> 'keepFilesS')::int) AS kept_files_s,
                   coalesce(later, now()) AS runs_at,
                   replace(replace(replace(replace(old.options ->> 'fileName',
                       '{{reportType}}', old.report_type), '{{reportVersion}}', old.type ->> 'fileVersion'),
                       '{{jobId}}', old.new_id::text),
                       '{{date}}', to_char(coalesce(later, now()) AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS named
              FROM old WHERE old.new_id IN (SELECT claimed.job_id FROM claimed)
        ), born AS (
            INSERT INTO jobs AS n (id, tenant, report_type, report_version, parameters, formats, max_attempts,
                                   max_crashes, requester, scopes, retry_of, labels, run_at, next_ring_at, deadline_at,
                                   keep_artifacts_s, keep_s, scheduled_for, file_name, options, priority)
            SELECT kept.new_id, kept.tenant, kept.report_type, kept.type ->> 'version', kept.parameters, kept.formats,
                   least((kept.options ->> 'maxAttempts')::int, (kept.type ->> 'maxAttempts')::int),
                   (b.terms ->> 'maxCrashes')::int, b.subject,
                   (SELECT array_agg(scope) FROM jsonb_array_elements_text(kept.type -> 'scopes') AS scope),
                   kept.id, kept.labels, kept.runs_at,
                   kept.runs_at + make_interval(secs => (b.terms ->> 'ringAfterS')::float8),
                   least(CASE WHEN kept.not_after > kept.runs_at THEN kept.not_after END,
                         kept.runs_at + make_interval(secs => (b.terms ->> 'deadlineS')::float8)),
                   least(kept.kept_files_s, kept.kept_s), kept.kept_s, kept.later,
                   CASE WHEN octet_length(kept.named) <= 190 THEN kept.named END,
                   nullif(CASE WHEN kept.not_after > kept.runs_at THEN kept.options
                               ELSE kept.options - 'notAfter' END, '{{}}'),
                   kept.priority
              FROM kept
            RETURNING n.id, n.tenant, n.scheduled_for
        ), rung AS (
            INSERT INTO outbox (topic, group_key, payload)
            SELECT 'jobs', born.tenant, json_build_object('jobId', born.id)::text FROM born
             WHERE born.scheduled_for IS NULL
        ), rung_later AS (
            INSERT INTO outbox_retry (topic, group_key, payload, due_at)
            SELECT 'jobs', born.tenant, json_build_object('jobId', born.id)::text, born.scheduled_for FROM born
             WHERE born.scheduled_for IS NOT NULL
        )
        SELECT old.id, 'retried', coalesce(before.job_id, old.new_id), old.report_type, 0::float8
          FROM old LEFT JOIN idempotency_keys AS before
            ON (before.tenant, before.operation, before.key) = (old.tenant, 'bulk', b.id || '/' || old.id);
    END IF;
END
$$
"""

FUNCTIONS = (_ACT, "REVOKE EXECUTE ON FUNCTION bulk_act FROM PUBLIC")
"""`{schema}` stands for the schema of the tables."""

TABLES = (_ACTIONS, *_INDEXES, _RESULTS, _RESULTS_BY_OUTCOME)
