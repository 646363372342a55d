"""What PostgreSQL's error codes mean for us: which faults pass by themselves.

Independent of SQLAlchemy, so that the report engine, which knows nothing of our tables, may import it. Source:
PostgreSQL 18, appendix A "PostgreSQL Error Codes" (read 2026-11-23).
"""

READ_ONLY = "25006"
"""read_only_sql_transaction: a statement tried to write where nothing may, such as on a standby."""

TIMEOUTS = frozenset({"57014", "25P03", "25P04"})
"""query_canceled, idle_in_transaction_session_timeout, transaction_timeout."""

LOCK_NOT_AVAILABLE = "55P03"
"""lock_not_available: another transaction holds a lock for longer than the statement may wait."""

ROLE_REFUSED = frozenset({"22023", "42501", "42704"})
"""invalid_parameter_value (SET ROLE to one that does not exist), insufficient_privilege, undefined_object."""

_PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""Connection, rollback (serialization, deadlock, conflict with recovery), resources, operator intervention (shutdown,
cancellation), system error."""


def passes(state: str) -> bool:
    """True when the same statement may succeed in a while."""
    return state[:2] in _PASSING_CLASSES or state == LOCK_NOT_AVAILABLE


_FEATURE_NOT_SUPPORTED = "0A000"
_NO_SUCH_PREPARED_STATEMENT = "26000"


def needs_new_session(state: str, message: str) -> bool:
    """True when this session will keep failing while a new one may not.

    Either the database was read-only when the session began, or its prepared statements are gone or return other
    columns since a migration ("cached plan must not change result type", which has no code of its own).
    """
    return state in {READ_ONLY, _NO_SUCH_PREPARED_STATEMENT} or (
        state == _FEATURE_NOT_SUPPORTED and "cached plan" in message
    )
