"""`python -m deploy.tools.metrics_page > docs/reference/metrics.md`: every metric, from the code that counts it."""

import sys

from services.api import metrics as api
from services.relay import metrics as relay
from services.worker import metrics as worker
from shared.runtime.metrics import artifacts, common, queue
from shared.runtime.metrics.declare import DECLARED, Values

MODULES = (common, queue, artifacts, api, relay, worker)
"""All modules that declare metrics; importing them fills the list."""
METRICS = tuple(sorted(DECLARED, key=lambda metric: (metric.shown_by, metric.name)))
"""Sorted, because the order of imports would be arbitrary."""

_HEAD = """# Metrics

Prometheus scrapes `/metrics` of every API, relay and worker process. This page is made from the code
(`python -m deploy.tools.metrics_page`), and a test keeps it so. Labels are bounded: a closed list (what it does not
know counts as `other`), or what the list below names in words. Closed lists are shown from 0 on.

With `API_WORKERS` above 1 a scrape of the API answers for all its processes, without `process_*` and `python_*`,
which are of one process. Gauges called *database-wide* are read from the database by every relay: take the `max` over
relays, never the `sum`. Rules, alerts and dashboards are in `deploy/prometheus` and `deploy/grafana`; what to do
about an alert is in [deploy/README.md](../../deploy/README.md).
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for shown_by in dict.fromkeys(metric.shown_by for metric in METRICS):
        parts.append(f"\n## {shown_by}\n\n| metric | kind | labels | tells |\n|---|---|---|---|\n")
        for metric in METRICS:
            if metric.shown_by == shown_by:
                labels = "; ".join(_label(name, values) for name, values in metric.labels.items())
                parts.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.tells} |\n")
    parts.append("\n## Long lists\n")
    lists = {name: values for metric in METRICS for name, values in metric.labels.items() if _is_long(values)}
    parts += [f"\n**{name}:** {_listed(values)}\n" for name, values in lists.items()]
    return "".join(parts)


def _is_long(values: Values) -> bool:
    return not isinstance(values, str) and len(values) > 10


def _listed(values: Values) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _label(name: str, values: Values) -> str:
    if isinstance(values, str):
        return f"`{name}`: {values}"
    return f"`{name}`: one of {len(values)}" if _is_long(values) else f"`{name}`: {_listed(values)}"


if __name__ == "__main__":
    sys.stdout.write(page())
