"""The trail of who changed what, as revision 0001 makes it: its table, and the triggers that keep it.

A later revision that changes one brings its own text.
"""

AUDIT = """
CREATE TABLE audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant     text        NOT NULL CHECK (tenant ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    subject    text,
    key_id     text,
    request_id text,
    address    text,
    action     text        NOT NULL CHECK (action <> ''),
    object     text        NOT NULL CHECK (object <> ''),
    before     jsonb,
    after      jsonb
)
"""

INDEXES = (
    # A page is a range of either: all that happened in a tenant, or all that happened to one thing.
    "CREATE INDEX audit_by_tenant ON audit (tenant, at, id)",
    "CREATE INDEX audit_by_object ON audit (tenant, object, at, id)",
)

# A trail that can be mended is none. They hold for the owner of the tables, too; who may drop triggers can do more.
_KEEP = """
CREATE FUNCTION audit_keep() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only ever added to' USING ERRCODE = 'check_violation';
END
$$
"""

# A month is the least that RELAY_KEEP_AUDIT_DAYS takes.
_FORGET = """
CREATE FUNCTION audit_forget() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE at > clock_timestamp() - interval '30 days') THEN
        RAISE EXCEPTION 'the audit trail is kept for 30 days at least' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

FUNCTIONS = (_KEEP, _FORGET)
TRIGGERS = (
    """
    CREATE TRIGGER audit_keep BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keep()
    """,
    """
    CREATE TRIGGER audit_forget AFTER DELETE ON audit
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit_forget()
    """,
)
