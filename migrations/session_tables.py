"""Sessions at the console, and one-time sign-in codes, as revision 0001 creates them."""

# By the hash of the cookie. A session ends with its key: looking one up checks the key, too. One that an issuer of
# tokens has vouched for has no key; its user's rights are stored here.
_SESSIONS = """
CREATE TABLE console_sessions (
    token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    tenant       text        NOT NULL,
    key_id       text        COLLATE "C" REFERENCES api_keys (id) ON DELETE CASCADE,
    subject      text        CHECK (subject LIKE 'oidc:%'),
    scopes       text[],
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL CHECK (expires_at <= created_at + interval '24 h'),
    CONSTRAINT console_sessions_of_a_key_or_of_a_person
        CHECK (num_nonnulls(key_id, subject) = 1 AND (subject IS NULL) = (scopes IS NULL))
)
"""

_SESSIONS_BY_END = "CREATE INDEX console_sessions_by_end ON console_sessions (expires_at)"

# A user ends other sessions of theirs. Ids of keys and names of users never coincide.
_SESSIONS_BY_HOLDER = (
    "CREATE INDEX console_sessions_by_holder ON console_sessions (tenant, coalesce(key_id, subject), created_at)"
)

# By the hash of the code. A code is deleted on use, and ends with its key.
_CODES = """
CREATE TABLE sign_in_codes (
    code_sha256 bytea       PRIMARY KEY CHECK (octet_length(code_sha256) = 32),
    tenant      text        NOT NULL,
    key_id      text        NOT NULL COLLATE "C" REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL CHECK (expires_at <= created_at + interval '1 h')
)
"""

_CODES_BY_END = "CREATE INDEX sign_in_codes_by_end ON sign_in_codes (expires_at)"

SESSIONS = (_SESSIONS, _SESSIONS_BY_END, _SESSIONS_BY_HOLDER, _CODES, _CODES_BY_END)
