"""What the API answers when it refuses or fails: every status and code, with its meaning.

A test compares it with the code. docs/reference/errors.md and the examples of the description are made from it.
"""

PROBLEMS = (
    (400, ("malformed_json",), "the body is not JSON in UTF-8, is nested too deeply, or names a field twice"),
    (400, ("malformed_request",), "what came is not HTTP/1.1, or has no Host or several; the connection is closed"),
    (400, ("page_token_invalid",), "`pageToken` is not one of this list, or not this caller's"),
    (400, ("page_token_mismatch",), "`pageToken` came from a list with other filters"),
    (400, ("page_token_expired",), "`pageToken` is older than three days"),
    (401, ("unauthorized",), "the API key or token is missing, wrong, revoked or over"),
    (403, ("insufficient_scope",), "the caller lacks a scope, which is named"),
    (403, ("no_tenant",), "the token is good, and its claim that names the tenant is missing or cannot be one"),
    (403, ("other_site",), "a page of another site sent a form of the console"),
    (404, ("unknown_report_type", "unknown_job", "unknown_artifact", "unknown_key", "unknown_path"),
     "it does not exist; another tenant's job answers the same"),
    (405, ("method_not_allowed",), "the path exists, the method does not"),
    (408, ("request_timeout",), "header or body did not arrive in time; the connection is closed"),
    (409, ("not_ready",), "the job has not ended in SUCCESS, so it has no files"),
    (409, ("job_already_ended",), "it is too late to cancel"),
    (409, ("not_ended",), "the job goes on, so it cannot be asked for again yet"),
    (409, ("keys_not_in_use",), "`API_AUTH` does not take keys, so none are made through this API"),
    (409, ("key_not_usable",), "the API key is over or revoked, so it cannot be rotated"),
    (409, ("key_already_replaced",), "the API key has a successor already, which works"),
    (409, ("nothing_to_keep",), "the files have expired, or expire within a minute"),
    (410, ("artifact_expired",), "the files' time is over: `expiresAt`"),
    (410, ("artifact_gone",), "the file has been removed from the store"),
    (410, ("artifact_damaged",), "the stored file is not what was stored; submit the report again"),
    (410, ("job_deleted",), "the job was deleted; its id stays known for a while"),
    (412, ("precondition_failed",), "the job or file is not the one that `If-Match` names"),
    (413, ("body_too_large",), "the body has more than 256 KiB"),
    (415, ("unsupported_media_type",), "the body is not declared as JSON in UTF-8, or is encoded (`Content-Encoding`)"),
    (416, ("range_not_satisfiable",), "the file has none of the ranges; `Content-Range` tells its size"),
    (422, ("invalid_request",), "`violations` names every problem, with its field"),
    (422, ("idempotency_key_reused",), "the same key came before with another request"),
    (429, ("rate_limited",),
     "more requests than `API_RATE_LIMIT` and `API_RATE_BURST`, or too many unknown credentials; see `Retry-After`"),
    (431, ("header_too_large",),
     "the request's line and headers have more than `API_MAX_HEADER_BYTES`; the connection is closed"),
    (429, ("too_many_streams",), "the key has `API_STREAMS_EACH` streams open in this process; close one"),
    (500, ("internal_error",), "the log has the details under the `requestId`"),
    (503, ("database_unavailable",),
     "try again after `Retry-After`; with an `Idempotency-Key` that can never make a second job"),
    (503, ("no_stream_left",), "the process serves as many streams and long polls as it can; see `Retry-After`"),
    (503, ("issuer_unavailable",), "the keys of the token's issuer cannot be fetched; try again after `Retry-After`"),
    (503, ("too_many_connections",), "the process has `API_MAX_CONNECTIONS`; try again after `Retry-After`"),
    (503, ("stopping",), "the process was stopped while it worked on the request; try again"),
    (503, ("artifact_store_unavailable",), "try again"),
)  # fmt: skip
"""Status, codes and meaning of the API's answers."""

RETRYABLE = frozenset(
    {code for status, codes, _ in PROBLEMS for code in codes if status in (408, 429, 500, 503)}
    | {"not_ready", "not_ended"}
)
"""Codes with which the same request may succeed later."""
