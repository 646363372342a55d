"""The metrics of the API. With several API processes, scraping any of them returns the sum of all."""

from shared.access.audit import Action
from shared.runtime.metrics.common import REPORT_TYPE
from shared.runtime.metrics.declare import FAST_S, OTHER, counter, gauge, histogram

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
_ROUTE = "a route's template, or `unknown`"

REQUESTS = counter(
    "api",
    "todoke_api_requests_total",
    "HTTP requests answered.",
    {"route": _ROUTE, "method": METHODS, "status": "an HTTP status"},
)
REQUEST_SECONDS = histogram(
    "api", "todoke_api_request_seconds", "Time to answer an HTTP request.", {"route": _ROUTE}, buckets=FAST_S
)
SUBMITTED = counter(
    "api",
    "todoke_jobs_submitted_total",
    "Submissions answered: accepted is a job committed; replayed met its Idempotency-Key again; reused is a job "
    "that answers the same question; conflict reused a key for another request; capped came from a tenant that has as "
    "many unfinished jobs as it may; in_flight has the key of a request that is at work; unavailable wrote nothing "
    "that was confirmed.",
    {
        "outcome": ("accepted", "replayed", "reused", "conflict", "capped", "in_flight", "unavailable"),
        "report_type": REPORT_TYPE,
    },
)
STREAMS = counter(
    "api",
    "todoke_api_streams_total",
    "Event streams closed: end, the job ended; bye, the listener lost its permission; later, the process "
    "stops or the stream was an hour old; hung_up, the client disconnected.",
    {"of": ("job", "tenant", "console"), "how": ("end", "bye", "later", "hung_up")},
)
SUBMIT_BATCH = histogram(
    "api",
    "todoke_submit_batch_submissions",
    "Submissions that shared one statement and commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
AUDITED = counter(
    "api",
    "todoke_audit_entries_total",
    "Changes recorded in the audit trail, including those rolled back afterwards.",
    {"action": tuple(map(str, Action))},
)
CREDENTIALS_REFUSED = counter(
    "api",
    "todoke_api_credentials_refused_total",
    "Requests refused for their credentials: unauthorized had none, or a wrong one; limited came from an address "
    "with too many wrong ones; no_tenant had a token that names no tenant; issuer_away had one whose issuer's keys "
    "cannot be fetched.",
    {"reason": ("unauthorized", "limited", "no_tenant", "issuer_away")},
)
SHARE_DOWNLOADS = counter(
    "api",
    "todoke_api_share_downloads_total",
    "Requests with links: served got the file or its address; over had one that is no longer valid; unknown one that "
    "never existed; limited came from an address with too many requests; failed met an unavailable file or store.",
    {"outcome": ("served", "over", "unknown", "limited", "failed")},
)
SCHEDULE_FILES_REFUSED = gauge(
    "api",
    "todoke_api_schedule_files_refused",
    "Files of `_schedules` that could not be taken at the last look, each minute: wrong has mistakes; no_owner "
    "names a key that the tenant does not have.",
    {"reason": ("wrong", "no_owner")},
)
ISSUER_FETCHES = counter(
    "api",
    "todoke_api_issuer_key_fetches_total",
    "Fetches of a token issuer's keys.",
    {"issuer": "a section of API_OIDC_PATH", "outcome": ("ok", "failed")},
)
RATE_COUNTED_ALONE = counter(
    "api",
    "todoke_api_rate_counted_alone_total",
    "Times that the database did not provide a tenant's remaining rate, so the host counted alone for some "
    "seconds: several hosts may let a tenant pass more than its rate.",
)
