"""The columns of each table."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from todoke.cli.output import Column, Raw, field
from todoke.sizes import size


def _condition(raw: object) -> str:
    if not isinstance(raw, Mapping):
        return str(raw)
    bounds = (("above", ">"), ("below", "<"))
    return ",".join(f"{raw.get('figure')}{sign}{raw[name]}" for name, sign in bounds if raw.get(name) is not None)


def _when(name: str, title: str = "", *, exact: bool = False) -> Column:
    """A column for a time: whole seconds with the offset; for a person, local time to the minute, or to the second if
    `exact`.
    """

    def read(raw: Raw) -> object:
        value = field(name)(raw)
        return f"{value[:19]}{value[-6:]}" if isinstance(value, str) and len(value) > 25 else value

    def local(raw: Raw) -> object:
        value = field(name)(raw)
        if not isinstance(value, str):
            return value
        try:
            moment = datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):  # the server sent something that is not a time
            return value
        return moment.strftime("%Y-%m-%d %H:%M:%S" if exact else "%Y-%m-%d %H:%M")

    return Column(title or name.removesuffix("At").upper(), read, person=local)


def _size(raw: Raw) -> object:
    value = raw.get("sizeBytes")
    return size(value) if isinstance(value, int) else value


def _listed(title: str, name: str, spelled: Callable[[Any], str] = str) -> Column:
    """A column for a list or an object's pairs; a person sees them separated, so that a narrow terminal
    can break them.
    """

    def read(raw: Raw) -> list[str]:
        value: Any = field(name)(raw) or ()
        if isinstance(value, Mapping):
            return [f"{key}={one if isinstance(one, str) else json.dumps(one)}" for key, one in value.items()]
        return [spelled(one) for one in value]

    return Column(title, lambda raw: ",".join(read(raw)), person=lambda raw: ", ".join(read(raw)), prose=True)


_REMARKS = {"moved": "the clocks skip the time that was named", "first_of_two": "the clocks show this time twice"}


def _remark(raw: Raw) -> object:
    return _REMARKS.get(raw.get("remark") or "", raw.get("remark"))


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
CHANGES = (
    _when("updatedAt", exact=True), *ACCEPTED, Column("BY", field("requestedBy")),
    Column("ROWS", field("progress.rows")), Column("ERROR", field("errorCode")),
)  # fmt: skip
EVENTS = (
    Column("VERSION", field("version")), _when("at", exact=True), Column("VERB", field("verb")),
    Column("FROM", field("fromStatus")),
    Column("TO", field("toStatus")), Column("ATTEMPT", field("attempt")), Column("REASON", field("reason"), prose=True),
)  # fmt: skip
TYPES = (
    Column("NAME", field("name")), Column("VERSION", field("version")),
    _listed("FORMATS", "formats"),
    Column("TITLE", field("title"), prose=True),
)  # fmt: skip
REASONS = (Column("CODE", field("code")), Column("MESSAGE", field("message"), prose=True))
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
    Column("KEY", field("keyId")), _listed("SCOPES", "scopes"),
)  # fmt: skip
KEYS = (
    Column("ID", field("keyId")), Column("NAME", field("name")),
    _listed("SCOPES", "scopes"), _when("createdAt"), _when("expiresAt"),
    _when("lastUsedAt"), _when("revokedAt"),
)  # fmt: skip
AUDIT = (
    _when("at", exact=True), Column("BY", field("subject")), Column("ACTION", field("action")),
    Column("OBJECT", field("object")), Column("KEY", field("keyId")), Column("REQUEST", field("requestId")),
)  # fmt: skip
GATES = (
    Column("KIND", field("kind")), Column("NAME", field("name")), Column("PAUSED", field("pause.reason"), prose=True),
    Column("BY", field("pause.by")), Column("SINCE", field("pause.beganAt")), Column("UNTIL", field("pause.until")),
    Column("RUNNING", field("cap.running")), Column("MOST", field("cap.mostRunning")),
    Column("MOST_UNFINISHED", field("queueCap.mostUnfinished")),
)  # fmt: skip
BULK = (
    Column("ID", field("bulkId")), Column("ACTION", field("action")), Column("STATUS", field("status")),
    Column("MATCHED", lambda raw: f"{'≥' if field('matched.atLeast')(raw) else ''}{field('matched.jobs')(raw)}"),
    Column("HANDLED", field("handled")),
    _listed("OUTCOMES", "outcomes"),
    _when("createdAt"), Column("BY", field("createdBy")), Column("REASON", field("reason"), prose=True),
)  # fmt: skip
BULK_RESULTS = (
    Column("JOB", field("jobId")), Column("OUTCOME", field("outcome")), Column("CODE", field("code")),
    Column("NEW_JOB", field("newJobId")),
)  # fmt: skip
ESTIMATE = (
    Column("TYPE", field("reportType")), Column("ROWS", field("expected.rows")),
    Column("BYTES", field("expected.bytes")), Column("USUALLY_S", field("usual.p50Seconds")),
    Column("AT_MOST_S", field("usual.p95Seconds")),
)  # fmt: skip
SCHEDULES = (
    Column("ID", field("scheduleId")), Column("NAME", field("name")), Column("TYPE", field("reportType")),
    Column("STATE", field("state")), Column("WHEN", field("words.en"), prose=True), Column("ZONE", field("timeZone")),
    Column("NEXT", lambda raw: next((one.get("local") for one in raw.get("coming") or ()), None)),
    Column("OWNER", field("owner")),
)  # fmt: skip
COMING = (Column("TICK", field("local")), Column("UTC", field("tick")), Column("REMARK", _remark))
TICKS = (
    _when("tick"), Column("CAUSE", field("cause")), Column("FATE", field("fate")),
    Column("REASON", field("reason"), prose=True), Column("JOB", field("jobId")),
    Column("DETAIL", field("detail"), prose=True),
)  # fmt: skip
WEBHOOKS = (
    Column("ID", field("webhookId")), Column("STATE", field("state")), Column("WHY", field("disabledBecause")),
    Column("URL", field("url")), _listed("EVENTS", "types"), _listed("TYPES", "reportTypes"),
    _listed("NOTIFY_WHEN", "notifyWhen", _condition), _when("lastSuccessAt"),
    _when("lastFailureAt"),
)  # fmt: skip
MADE_WEBHOOK = (Column("ID", field("webhookId")), Column("URL", field("url")), Column("SECRET", field("secret")))
ROTATED_SECRET = (
    Column("ID", field("webhookId")), Column("SECRET", field("secret")), Column("OLD_ENDS", field("oldEndsAt")),
)  # fmt: skip
DELIVERIES = (
    Column("ID", field("deliveryId")), Column("STATE", field("state")), Column("EVENT", field("type")),
    Column("JOB", field("jobId")), Column("ATTEMPTS", field("attempts")), Column("STATUS", field("lastStatus")),
    Column("ERROR", field("lastError")), _when("createdAt"), _when("nextAttemptAt"),
)  # fmt: skip
DELIVERY = (*DELIVERIES[:7], Column("MESSAGE", field("messageId")), Column("BODY", field("body"), prose=True))
PING = (Column("DELIVERY", field("deliveryId")),)
REDELIVERED = (Column("DELIVERIES", field("deliveries")),)
RUN = (Column("JOB", field("jobId")),)
SHARE = (Column("URL", field("url")),)
SHARES = (
    Column("ID", field("shareId")), Column("JOB", field("jobId")), Column("FILE", field("name")),
    Column("STATE", field("state")), Column("DOWNLOADS", field("downloads")), Column("MOST", field("maxDownloads")),
    _when("expiresAt"), Column("BY", field("createdBy")),
)  # fmt: skip
BACKFILL = (Column("TICKS", field("ticks")),)
CONDITIONS = (
    Column("SEVERITY", field("severity")), Column("CODE", field("code")),
    Column("MESSAGE", field("message"), prose=True), Column("SINCE_S", field("sinceS")),
)  # fmt: skip
READINGS = (
    Column("OF", field("name")), _when("at", exact=True), Column("AGE_S", field("ageS"), right=True),
    _listed("FOUND", "facts"),
)  # fmt: skip
WORKERS = (
    Column("NAME", field("name")),
    Column("STATE", lambda raw: "gone" if raw.get("gone") else f"sick: {raw['sick']}" if raw.get("sick") else "works"),
    Column("HOLDING", field("holding"), right=True), Column("SLOTS", field("slots"), right=True),
    Column("TYPES", field("reportTypes"), right=True), _when("since", "SINCE"),
    _when("seenAt", "SEEN"),
)  # fmt: skip
DEAD_LETTERS = (
    Column("ID", field("messageId")), Column("WHY", field("why")), Column("JOB", field("jobId")),
    Column("TENANT", field("tenant")), Column("RECEIVES", field("receives")),
    _when("firstSeenAt", "FIRST_SEEN"), Column("WISH", field("wish")), Column("BODY", field("body"), prose=True),
)  # fmt: skip
PARKED = (
    Column("ID", field("id")), Column("TOPIC", field("topic")), Column("TENANT", field("tenant")),
    _when("parkedAt", "PARKED"), Column("ATTEMPTS", field("attempts")),
    Column("LAST_ERROR", field("lastError"), prose=True),
)  # fmt: skip
MESSAGE_IDS = (Column("ID", field("id")),)
