"""`python -m services.relay`: publish and sweep until told to stop."""

import argparse
import logging
import os
import sys

from services.relay.assembly import assemble
from services.relay.settings import RelaySettings
from shared.errors import TodokeError
from shared.runtime import logs, tracing
from shared.runtime.gc_tuning import search_seldom
from shared.runtime.ops_server import OpsServer
from shared.runtime.startup import wait_for_all
from shared.runtime.stopping import stop_on_signals

log = logging.getLogger("services.relay")


def main() -> int:
    """Run the relay. Returns the exit code: 0 after a clean stop, 1 when something it needs is missing."""
    argparse.ArgumentParser(
        prog="python -m services.relay",
        description="Publish the outbox to SQS and sweep silent jobs until SIGTERM. Settings: environment.",
    ).parse_args()
    try:
        return serve(RelaySettings.from_environment(os.environ))
    except TodokeError as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured yet, or no longer
        return 1


def serve(settings: RelaySettings) -> int:
    """Run the relay until SIGTERM. Returns the exit code."""
    logs.configure("relay", settings.log_level)
    tracing.configure("relay")
    stop = stop_on_signals()
    relay = assemble(settings, follow_catalog=True)
    ops = OpsServer(settings.metrics_host, settings.metrics_port, relay.checks)
    if not wait_for_all(relay.checks, stop=stop, timeout_s=settings.startup_timeout_s):
        return 0
    search_seldom()
    log.info("relay.ready", extra={"metrics_port": ops.port})
    relay.run(stop)
    tracing.close()
    ops.close()
    log.info("relay.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
