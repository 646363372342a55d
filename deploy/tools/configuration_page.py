"""`python -m deploy.tools.configuration_page > docs/reference/configuration.md`: generates the page of
all variables.
"""

import sys
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.api.settings import ApiSettings
from services.relay.settings import RelaySettings
from services.worker.settings import WorkerSettings
from shared.runtime.settings import Settings

_SERVICES: Mapping[str, type[Settings]] = {"api": ApiSettings, "relay": RelaySettings, "worker": WorkerSettings}

_HEAD = """# Configuration

Every service reads its settings from the environment, once, at start, and names everything that is wrong with them.
An empty variable counts as unset. A variable that holds a secret (`DATABASE_URL`, `REPORT_SOURCE_URL`,
`REPORT_SOURCES`) may stand in a file instead, which `DATABASE_URL_FILE` and so on name. The file is read again for each
new connection, so a password may be rotated without a restart. This page is made from the code
(`python -m deploy.tools.configuration_page`), and a test keeps it so.

Besides these, relay and worker (and the API with `ARTIFACT_URL=s3://…`) take AWS credentials the standard way
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, a profile, a role), and an emulator's address from `AWS_ENDPOINT_URL`.

With the extra `otel` installed and `OTEL_EXPORTER_OTLP_ENDPOINT` set to a collector (OTLP over HTTP), every service
sends traces: one from the request through outbox and queue to the files, a retry linked to the attempt that failed.
The other standard variables (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS` …) count too. A
client's `traceparent` is honoured in any case, and its trace id stands in the log lines of its job. Its `tracestate`
is not: that is a vendor's state of one request, and a job may wait for days. Images with the extra:
`BUILD_ARGS="--build-arg OTEL=1" make images`.

Behind a reverse proxy that shows the API under a path, set `API_ROOT_PATH`; the proxy may strip the path or not.
Addresses in answers are paths, so host and scheme are the proxy's own affair: no `X-Forwarded-*` header is believed,
but for `X-Forwarded-For` of the proxies in `API_TRUSTED_PROXIES`. Outgoing calls to SQS and S3 honour `HTTP_PROXY`,
`HTTPS_PROXY` and `NO_PROXY`. Every address may be IPv6: `API_HOST=::1`, `METRICS_HOST=::`,
`postgresql://…@[::1]:5432/…`, `http://[::1]:9324/…`.
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for service, settings in _SERVICES.items():
        parts.append(f"\n## {service}\n\n| variable | default | meaning |\n|---|---|---|\n")
        parts += [
            f"| `{name}` | {_default(name, field)} | {field.description} |\n"
            for name, field in settings.variables().items()
        ]
    return "".join(parts)


def _default(name: str, field: FieldInfo) -> str:
    default: Any = field.get_default()
    if default is PydanticUndefined:
        return "*required*"
    if default is None or name in {"WORKER_SLOTS", "WORKER_SCRATCH"}:  # their defaults depend on the machine
        return "" if default is None else "*machine*"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(page())
