"""Who is signed in at the console, as revision 0001 makes it."""

# By the hash of the cookie. A session ends with its key: whoever looks one up looks at the key, too.
_SESSIONS = """
CREATE TABLE console_sessions (
    token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    tenant       text        NOT NULL,
    key_id       text        NOT NULL COLLATE "C" REFERENCES api_keys (id),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL CHECK (expires_at <= created_at + interval '24 h')
)
"""

_SESSIONS_BY_END = "CREATE INDEX console_sessions_by_end ON console_sessions (expires_at)"

SESSIONS = (_SESSIONS, _SESSIONS_BY_END)
