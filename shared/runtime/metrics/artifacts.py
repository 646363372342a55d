"""The metrics of API and worker about the artifact store."""

from shared.runtime.metrics.declare import counter

ARTIFACT_REQUESTS = counter(
    "api, worker",
    "todoke_artifact_requests_total",
    "Calls of the artifact store: files stored (put), files or links given out (locate), and files that turned out to "
    "be damaged, before (locate) or while they were sent (send).",
    {"operation": ("put", "locate", "send"), "outcome": ("ok", "failed", "damaged")},
)
