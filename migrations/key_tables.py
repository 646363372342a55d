"""API keys as revision 0001 creates them, and the trigger that protects those that are valid."""

_API_KEYS = """
CREATE TABLE api_keys (
    id           text        COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9]{12}$'),
    key_sha256   bytea       NOT NULL CHECK (octet_length(key_sha256) = 32),
    tenant       text        NOT NULL CHECK (tenant ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name         text        NOT NULL CHECK (name <> '' AND name !~ '^oidc:'),
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text,
    replaces     text        COLLATE "C" REFERENCES api_keys (id) ON DELETE SET NULL,
    request      text,
    digest       text        CHECK ((digest IS NULL) = (request IS NULL)),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
)
"""

_API_KEYS_BY_TENANT = "CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, id)"
_API_KEYS_BY_REQUEST = "CREATE UNIQUE INDEX api_keys_by_request ON api_keys (tenant, request) WHERE request IS NOT NULL"

# One successor, and no more: two concurrent rotations cannot leave two keys, one of which is forgotten.
_API_KEYS_BY_OLD = """
CREATE UNIQUE INDEX api_keys_by_old ON api_keys (replaces) WHERE replaces IS NOT NULL AND revoked_at IS NULL
"""

# For the foreign key above: deleting a key looks for its successor.
_API_KEYS_BY_REPLACED = "CREATE INDEX api_keys_by_replaced ON api_keys (replaces) WHERE replaces IS NOT NULL"

# A month is the minimum of RELAY_KEEP_AUDIT_DAYS.
_KEEP = """
CREATE FUNCTION api_keys_keep() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(OLD.revoked_at, OLD.expires_at, 'infinity') > clock_timestamp() - interval '30 days' THEN
        RAISE EXCEPTION 'a key is kept for 30 days at least after it has ended' USING ERRCODE = 'check_violation';
    END IF;
    RETURN OLD;
END
$$
"""
_KEEP_TRIGGER = """
CREATE TRIGGER api_keys_keep BEFORE DELETE ON api_keys
FOR EACH ROW EXECUTE FUNCTION api_keys_keep()
"""

KEYS = (
    _API_KEYS, _API_KEYS_BY_TENANT, _API_KEYS_BY_REQUEST, _API_KEYS_BY_OLD, _API_KEYS_BY_REPLACED, _KEEP, _KEEP_TRIGGER,
)  # fmt: skip
