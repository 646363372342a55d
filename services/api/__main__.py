"""`python -m services.api` serves; `create-key` and `revoke-key` manage API keys."""

import argparse
import logging
import os
import re
import sys
from typing import Any

import uvicorn

from services.api.assembly import build
from services.api.processes import serve_several
from services.api.settings import ApiSettings
from shared.access import api_keys
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.errors import TodokeError
from shared.runtime import logs, tracing
from shared.runtime.settings import ServiceSettings
from shared.runtime.startup import wait_for
from shared.runtime.stopping import stop_on_signals

log = logging.getLogger("services.api")

_GRACE_S = 10
"""How long requests under way may take after SIGTERM."""


def main() -> int:
    """Run the command. Returns the exit code: 0 after a clean stop, 1 when something it needs is missing."""
    arguments = _parser().parse_args()
    try:
        if arguments.command is None:
            return serve(ApiSettings.from_environment(os.environ))
        return _manage_keys(arguments, ServiceSettings.from_environment(os.environ))
    except TodokeError as error:
        print(f"api: {error}", file=sys.stderr)  # noqa: T201 - before or after logging is of use
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.api",
        description="Serve the REST API until SIGTERM. Settings come from the environment.",
    )
    commands = parser.add_subparsers(dest="command")
    for name, what in (("create-key", "make an API key and print it, once"), ("revoke-key", "revoke API keys by name")):
        command = commands.add_parser(name, help=what, description=what.capitalize())
        command.add_argument("--tenant", required=True, type=_tenant, help="whose jobs the key can see")
        command.add_argument("--name", required=True, help="who uses it, for example `ci`")
    return parser


def _tenant(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", given):
        raise argparse.ArgumentTypeError("letters, digits, _ . - only, 64 at most, beginning with a letter or digit")
    return given


def _manage_keys(arguments: argparse.Namespace, settings: ServiceSettings) -> int:
    engine = create_engine(settings.database_url.get_secret_value(), application_name="todoke-keys")
    check_database(engine)
    with transactional(engine).begin() as conn:
        if arguments.command == "create-key":
            print(api_keys.create_key(conn, tenant=arguments.tenant, name=arguments.name))  # noqa: T201
            return 0
        revoked = api_keys.revoke_keys(conn, tenant=arguments.tenant, name=arguments.name)
    print(f"{revoked} key(s) revoked", file=sys.stderr)  # noqa: T201
    return 0 if revoked else 1


def serve(settings: ApiSettings) -> int:
    """Answer requests until told to stop."""
    logs.configure("api", settings.log_level)
    parts = build(settings)
    stop = stop_on_signals()
    ready = wait_for("database", lambda: check_database(parts.engine), stop=stop, timeout_s=settings.startup_timeout_s)
    if not ready:
        return 0
    if settings.auth == "none":
        log.warning("api.open", extra={"hint": "API_AUTH=none: everybody who reaches this port is tenant `default`"})
    log.info(
        "api.ready",
        extra={"port": settings.port, "processes": settings.workers, "report_types": sorted(parts.catalog.types)},
    )
    options = uvicorn_options(settings)
    # uvicorn takes the signals over from here, and drains.
    if settings.workers == 1:
        tracing.configure("api")
        uvicorn.run(parts.app(), **options)
    else:
        parts.engine.dispose()
        serve_several(settings, **options)
    log.info("api.stopped")
    return 0


def uvicorn_options(settings: ApiSettings) -> dict[str, Any]:
    """How uvicorn serves."""
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing here depends on a client's address or scheme, so nobody is believed about them.
        "proxy_headers": False,
        "timeout_graceful_shutdown": _GRACE_S,
    }


if __name__ == "__main__":
    sys.exit(main())
