"""What API and worker show of the artifact store."""

from shared.runtime.metrics.declare import counter

ARTIFACT_REQUESTS = counter(
    "api, worker",
    "todoke_artifact_requests_total",
    "Calls of the artifact store: files stored (put) and links or paths given out (locate).",
    {"operation": ("put", "locate"), "outcome": ("ok", "failed")},
)
