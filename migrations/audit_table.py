"""The audit trail, as revision 0001 creates it: its table, and the triggers that protect it.

A later revision that changes one carries its own text.
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
    # A page is a range of either index: everything that happened in a tenant, or to one object.
    "CREATE INDEX audit_by_tenant ON audit (tenant, at, id)",
    "CREATE INDEX audit_by_object ON audit (tenant, object, at, id)",
)

# An audit trail must not be editable. The triggers apply to the owner of the tables, too; a user who may drop triggers
# can do more.
_KEEP = """
CREATE FUNCTION audit_keep() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only ever added to' USING ERRCODE = 'check_violation';
END
$$
"""

# A month is the minimum of RELAY_KEEP_AUDIT_DAYS.
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
