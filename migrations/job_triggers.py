"""The triggers on `jobs`, as revision 0001 creates them: legal transitions, history, and protection from deletion.

A later revision that changes one carries its own text.
"""

from migrations.webhook_tables import WANTED

# Statement-level, so that a batch of a thousand transitions costs one trigger call; and in the database, so that no
# code path can omit it. They run as the owner: a service's role has no right to write history itself, and pg_temp comes
# last, because otherwise a temporary table of the same name would divert it.
_RECORD_BIRTH = """
CREATE FUNCTION jobs_record_birth() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM born WHERE status <> 'PENDING' OR verb <> 'submit' OR version <> 1 OR attempt <> 0) THEN
        RAISE EXCEPTION 'a job is born PENDING, by submit, with version 1 and no attempt'
            USING ERRCODE = 'check_violation';
    END IF;
    -- Both never change. As constraints of the table they would be checked again at every update, and a pattern is
    -- the dearest of them all.
    IF EXISTS (SELECT FROM born WHERE tenant !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'
                   OR jsonb_typeof(parameters) <> 'object' OR file_name ~ '^[.]|/|[.][.]'
                   OR jsonb_typeof(labels) <> 'object' OR labels = '{}') THEN
        RAISE EXCEPTION 'a job has a well-formed tenant, parameters and labels, and files that stay in their folder'
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM born WHERE labels IS NOT NULL) THEN
        INSERT INTO job_labels (job_id, tenant, name, value)
        SELECT id, tenant, label.key, label.value FROM born, jsonb_each_text(labels) AS label WHERE labels IS NOT NULL;
    END IF;
    -- The next statement has to see what was committed a moment ago, not what was there when the transaction began.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'jobs are inserted in READ COMMITTED only' USING ERRCODE = 'feature_not_supported';
    END IF;
    INSERT INTO stragglers (job_id, tenant, born)
    SELECT id, tenant, true FROM born WHERE id <= (SELECT announced FROM unfinished_floor);
    RETURN NULL;
END
$$
"""

# enable_nestloop: plpgsql keeps the plan of its first call, usually for one row. With a nested loop, a sweep of 10,000
# rows then compares 100 million pairs (82 s, against 0.01 s with a hash join), exceeds its time-out and never recovers.
_RECORD_TRANSITION = """
CREATE FUNCTION jobs_record_transition() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET enable_nestloop = off AS $$
DECLARE
    wrong text;
    moved boolean;
BEGIN
    SELECT format('job %s: %s -> %s by %s', o.id, o.status, n.status, n.verb) INTO wrong
      FROM before o JOIN after n USING (id)
     WHERE (o.status IS DISTINCT FROM n.status OR o.lease_token IS DISTINCT FROM n.lease_token)
       AND (n.version <= o.version
            OR (n.verb = 'start') <> (n.lease_token IS DISTINCT FROM o.lease_token AND n.lease_token IS NOT NULL)
            OR (o.status, n.status, n.verb) NOT IN (
                ('PENDING',    'PROCESSING', 'start'),
                ('PROCESSING', 'PROCESSING', 'start'),
                ('PROCESSING', 'SUCCESS',    'succeed'),
                ('PROCESSING', 'PENDING',    'retry'),
                ('PROCESSING', 'FAILED',     'fail'),
                ('PROCESSING', 'PENDING',    'give_back'),
                ('PROCESSING', 'CANCELLED',  'cancel'),
                ('PENDING',    'CANCELLED',  'cancel'),
                ('PROCESSING', 'PENDING',    'expire'),
                ('PROCESSING', 'FAILED',     'expire'),
                ('PROCESSING', 'CANCELLED',  'expire'),
                ('PENDING',    'FAILED',     'expire')))
        OR o.finished_at IS NOT NULL
       AND ((o.lease_token, o.finished_at) IS DISTINCT FROM (n.lease_token, n.finished_at)
            -- what is deleted is blanked, and no more
            OR (o.result, o.error) IS DISTINCT FROM (n.result, n.error)
               AND (n.deleted_at IS NULL
                    OR coalesce(n.result, '{}') NOT IN ('{}', '{"answer": null}')
                    OR n.error ->> 'code' IS DISTINCT FROM o.error ->> 'code'
                    OR coalesce(n.error ->> 'message', '') <> '' OR coalesce(n.error ->> 'hint', '') <> ''))
        OR o.deleted_at IS NOT NULL AND n.deleted_at IS DISTINCT FROM o.deleted_at
        OR o.deleted_at IS NULL AND n.deleted_at IS NOT NULL AND n.version <= o.version
     LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'illegal transition: %', wrong USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO job_transitions (job_id, version, from_status, to_status, verb, attempt, lease_token, worker, reason)
    SELECT n.id, n.version, o.status, n.status, n.verb, n.attempt,
           -- the holder that ended, not the NULL it leaves behind
           coalesce(n.lease_token, o.lease_token), coalesce(n.worker, o.worker),
           CASE WHEN n.verb IN ('retry', 'fail', 'expire') THEN coalesce(n.error ->> 'code', '') ELSE '' END
      FROM before o JOIN after n USING (id)
     WHERE o.status IS DISTINCT FROM n.status OR o.lease_token IS DISTINCT FROM n.lease_token;
    moved := FOUND;
    -- A password of its files stays no longer than the job. Found by what was asked for, which an ordinary job lacks,
    -- and as it was before, because a deletion blanks that.
    IF EXISTS (SELECT FROM before WHERE options ? 'encrypted') THEN
        DELETE FROM job_passwords WHERE job_id = ANY (ARRAY(
            SELECT id FROM after WHERE finished_at IS NOT NULL OR deleted_at IS NOT NULL));
    END IF;
    IF moved AND EXISTS (SELECT FROM after WHERE status = 'FAILED') THEN
        INSERT INTO failures (job_id, tenant, code, requester)
        SELECT n.id, n.tenant, n.error ->> 'code', n.requester
          FROM before o JOIN after n USING (id) WHERE n.status = 'FAILED' AND o.status <> 'FAILED';
    END IF;
    -- An end that somebody wants to hear of is told by the commit that makes it. Where nobody does, nothing is written.
    IF moved AND EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL)
       AND EXISTS (SELECT FROM after WHERE finished_at IS NOT NULL) THEN
        INSERT INTO webhook_events (tenant, type, report_type, job_id, version, status, callback_url,
                                    callback_when, figures)
        SELECT ended.tenant, ended.type, ended.report_type, ended.id, ended.version, ended.status, ended.callback_url,
               ended.callback_when, ended.figures || jsonb_build_object('rows', (
                   SELECT max(a.rows) FROM artifacts a WHERE a.job_id = ended.id))
          FROM (SELECT n.tenant, n.report_type, n.id, n.version, n.status, n.options ->> 'callbackUrl' AS callback_url,
                       n.options -> 'notifyWhen' AS callback_when,
                       CASE n.status WHEN 'SUCCESS' THEN coalesce(n.result -> 'figures', '{}') END AS figures,
                       CASE n.status WHEN 'SUCCESS' THEN 'job.succeeded' WHEN 'FAILED' THEN 'job.failed'
                                     ELSE 'job.cancelled' END AS type
                  FROM before o JOIN after n USING (id)
                 WHERE o.finished_at IS NULL AND n.finished_at IS NOT NULL) AS ended
         WHERE ended.callback_url IS NOT NULL OR {wanted};
    END IF;
    RETURN NULL;
END
$$
""".replace("{wanted}", WANTED.format(of="ended", type="ended.type").strip())

# A job that must be kept cannot be deleted by any role; the history is deleted with its job. Artifacts are not: while a
# job has any, their foreign key refuses, so no file is left behind without a row that names it.
_FORGET = """
CREATE FUNCTION jobs_forget() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE finished_at IS NULL
                   OR finished_at + make_interval(secs => keep_s) > clock_timestamp()) THEN
        RAISE EXCEPTION 'a job is kept until keep_s after its end' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM job_transitions USING gone WHERE job_transitions.job_id = gone.id;
    DELETE FROM held USING gone WHERE held.job_id = gone.id;
    DELETE FROM idempotency_keys USING gone WHERE idempotency_keys.job_id = gone.id;
    DELETE FROM failures USING gone WHERE failures.tenant = gone.tenant AND failures.job_id = gone.id
                                      AND gone.status = 'FAILED';
    IF EXISTS (SELECT FROM gone WHERE labels IS NOT NULL) THEN
        -- Each by its whole key, whatever the planner believes of how many there are.
        DELETE FROM job_labels WHERE ctid = ANY (ARRAY(
            SELECT entry.at FROM gone, jsonb_each_text(gone.labels) AS label,
                   LATERAL (SELECT l.ctid AS at FROM job_labels l
                             WHERE (l.tenant, l.name, l.value, l.job_id)
                                   = (gone.tenant, label.key, label.value, gone.id) LIMIT 1) AS entry
             WHERE gone.labels IS NOT NULL));
    END IF;
    RETURN NULL;
END
$$
"""

# What was checked when the job was created. Updates of other columns do not fire this.
_KEEP_WHAT_WAS_ASKED = """
CREATE FUNCTION jobs_keep_what_was_asked() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a job was asked for never changes; some of it leaves with a deletion'
        USING ERRCODE = 'check_violation';
END
$$
"""

# The labels' index rows are deleted with their job.
_UNLABEL = """
CREATE FUNCTION jobs_unlabel() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    DELETE FROM job_labels l USING jsonb_each_text(OLD.labels) AS label
     WHERE (l.tenant, l.name, l.value, l.job_id) = (OLD.tenant, label.key, label.value, OLD.id);
    RETURN NULL;
END
$$
"""

TRIGGERS = (
    """
    CREATE TRIGGER jobs_keep_what_was_asked BEFORE UPDATE OF id, tenant, requester, scopes, retry_of ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_keep_what_was_asked()
    """,
    # After, because a trigger before each row would lock every row of every transition first, and log that.
    """
    CREATE TRIGGER jobs_keep_what_was_wanted AFTER UPDATE OF parameters, options, file_name, reuse_key, labels ON jobs
    FOR EACH ROW WHEN (NEW.deleted_at IS NULL OR NEW.parameters <> '{}' OR NEW.options IS NOT NULL
                       OR NEW.file_name IS NOT NULL OR NEW.reuse_key IS NOT NULL OR NEW.labels IS NOT NULL)
    EXECUTE FUNCTION jobs_keep_what_was_asked()
    """,
    """
    CREATE TRIGGER jobs_unlabel AFTER UPDATE OF labels ON jobs
    FOR EACH ROW WHEN (OLD.labels IS NOT NULL) EXECUTE FUNCTION jobs_unlabel()
    """,
    """
    CREATE TRIGGER jobs_forget AFTER DELETE ON jobs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION jobs_forget()
    """,
    """
    CREATE TRIGGER jobs_record_birth AFTER INSERT ON jobs
    REFERENCING NEW TABLE AS born FOR EACH STATEMENT EXECUTE FUNCTION jobs_record_birth()
    """,
    """
    CREATE TRIGGER jobs_record_transition AFTER UPDATE ON jobs
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION jobs_record_transition()
    """,
)

FUNCTIONS = (_RECORD_BIRTH, _RECORD_TRANSITION, _FORGET, _KEEP_WHAT_WAS_ASKED, _UNLABEL)
"""What the triggers call. `{schema}` stands for the schema of the tables."""
