"""What tables show of each thing."""

from todoke.cli.output import Column, Raw, field
from todoke.sizes import size


def _when(name: str) -> Column:
    """Whole seconds, with the offset."""

    def read(raw: Raw) -> object:
        value = field(name)(raw)
        return f"{value[:19]}{value[-6:]}" if isinstance(value, str) and len(value) > 25 else value

    return Column(name.removesuffix("At").upper(), read)


def _size(raw: Raw) -> object:
    value = raw.get("sizeBytes")
    return size(value) if isinstance(value, int) else value


JOBS = (
    Column("ID", field("jobId")),
    Column("STATUS", field("status")),
    Column("TYPE", field("reportType")),
    _when("createdAt"),
    _when("finishedAt"),
    Column("BY", field("requestedBy")),
    Column("ERROR", field("error.code")),
)
ACCEPTED = JOBS[:3]
EVENTS = (
    Column("VERSION", field("version")), _when("at"), Column("VERB", field("verb")),
    Column("FROM", field("fromStatus")),
    Column("TO", field("toStatus")), Column("ATTEMPT", field("attempt")), Column("REASON", field("reason")),
)  # fmt: skip
TYPES = (
    Column("NAME", field("name")), Column("VERSION", field("version")),
    Column("FORMATS", lambda raw: ",".join(raw.get("formats", ()))),
    Column("TITLE", field("title")),
)  # fmt: skip
REASONS = (Column("CODE", field("code")), Column("MESSAGE", field("message")))
FILES = (
    Column("NAME", field("name")), Column("FORMAT", field("format")), Column("ROWS", field("rows")),
    Column("SIZE", _size), Column("SHA256", field("sha256")),
)  # fmt: skip
PATHS = (Column("PATH", field("path")),)
PROFILES = (
    Column("", lambda raw: "*" if raw["current"] else ""), Column("NAME", field("name")), Column("URL", field("url")),
    Column("KEY", field("key")),
)  # fmt: skip
ME = (
    Column("TENANT", field("tenant")), Column("SUBJECT", field("subject")), Column("CREDENTIAL", field("credential")),
    Column("KEY", field("keyId")), Column("SCOPES", lambda raw: ",".join(raw.get("scopes") or ())),
)  # fmt: skip
KEYS = (
    Column("ID", field("keyId")), Column("NAME", field("name")),
    Column("SCOPES", lambda raw: ",".join(raw.get("scopes") or ())), _when("createdAt"), _when("expiresAt"),
    _when("lastUsedAt"), _when("revokedAt"),
)  # fmt: skip
AUDIT = (
    _when("at"), Column("BY", field("subject")), Column("ACTION", field("action")), Column("OBJECT", field("object")),
    Column("KEY", field("keyId")), Column("REQUEST", field("requestId")),
)  # fmt: skip
ESTIMATE = (
    Column("TYPE", field("reportType")), Column("ROWS", field("expected.rows")),
    Column("BYTES", field("expected.bytes")), Column("USUALLY_S", field("usual.p50Seconds")),
    Column("AT_MOST_S", field("usual.p95Seconds")),
)  # fmt: skip
