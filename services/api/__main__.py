"""`python -m services.api`: serve the REST API until told to stop."""

import argparse
import functools
import logging
import os
import resource
import sys
from typing import Any

import uvicorn

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.http.protocol import BoundedProtocol, Limits
from services.api.processes import serve_several
from services.api.settings import ApiSettings
from shared.database.health import check_database
from shared.errors import TodokeError
from shared.runtime import logs, tracing
from shared.runtime.listening import require_free
from shared.runtime.startup import wait_for_all
from shared.runtime.stopping import stop_on_signals

log = logging.getLogger("services.api")

_GRACE_S = 10
"""Seconds that requests in progress may take after SIGTERM."""
_OTHER_DESCRIPTORS = 192
"""Descriptors not used for clients: the database, the catalog, downloads, and connections that are only told to go
away."""


def main() -> int:
    """Serve. Returns the exit code: 0 after a clean stop, 1 when something it needs is missing."""
    argparse.ArgumentParser(
        prog="python -m services.api",
        description="Serve the REST API until SIGTERM. Settings come from the environment.",
    ).parse_args()
    try:
        return serve(ApiSettings.from_environment(os.environ))
    except TodokeError as error:
        print(f"api: {error}", file=sys.stderr)  # noqa: T201 - before or after logging is of use
        return 1


def serve(settings: ApiSettings) -> int:
    """Answer requests until told to stop."""
    logs.configure("api", settings.log_level)
    require_free("API", settings.host, settings.port)
    parts = assemble(settings, follow_catalog=True)
    stop = stop_on_signals()
    checks = {"database": lambda: check_database(parts.engine)}
    if not wait_for_all(checks, stop=stop, timeout_s=settings.startup_timeout_s):
        return 0
    if settings.auth == "none":
        log.warning("api.open", extra={"hint": "API_AUTH=none: everybody who reaches this port is tenant `default`"})
    log.info(
        "api.ready",
        extra={"port": settings.port, "processes": settings.workers, "report_types": sorted(parts.catalog.types)},
    )
    options = uvicorn_options(settings)
    # uvicorn handles the signals from here on, and drains.
    if settings.workers == 1:
        tracing.configure("api")
        uvicorn.run(create_app(parts), **options)
    else:
        parts.engine.dispose()
        serve_several(settings, **options)
    log.info("api.stopped")
    return 0


def uvicorn_options(settings: ApiSettings) -> dict[str, Any]:
    """Return the options with which uvicorn serves."""
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing here depends on a client's address or scheme, so no proxy headers are trusted.
        "proxy_headers": False,
        "timeout_graceful_shutdown": _GRACE_S,
        "timeout_keep_alive": settings.keep_alive_s,
        "http": functools.partial(BoundedProtocol, limits=_limits(settings)),
        "ws": "none",
    }


def _limits(settings: ApiSettings) -> Limits:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits(
        root_path=settings.root_path,
        header_bytes=settings.max_header_bytes,
        header_s=settings.header_timeout_s,
        body_s=settings.body_timeout_s,
        stalled_s=settings.stalled_timeout_s,
        connections=max(1, min(settings.max_connections, descriptors - min(_OTHER_DESCRIPTORS, descriptors // 2))),
    )


if __name__ == "__main__":
    sys.exit(main())
