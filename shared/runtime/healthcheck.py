"""`python -m shared.runtime.healthcheck PREFIX DEFAULT_PORT` checks that the service in this container is healthy.

The variables PREFIX_HOST and PREFIX_PORT say where it listens. It is used in the images' HEALTHCHECK, because they have
no curl.
"""

import http.client
import os
import sys
from collections.abc import Mapping

_TIMEOUT_S = 3

# A service that listens on all addresses answers on the loopback.
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


def is_healthy(host: str, port: int) -> bool:
    """True if /healthz answers 200 there within three seconds."""
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Check, and return the exit code: 0 if healthy, 1 if not, 2 for a wrong call."""
    match arguments:
        case [prefix, default] if default.isdecimal():
            host = environment.get(f"{prefix}_HOST", "")
            port = int(environment.get(f"{prefix}_PORT") or default)
            return 0 if is_healthy(host, port) else 1
        case _:
            print("usage: python -m shared.runtime.healthcheck PREFIX DEFAULT_PORT", file=sys.stderr)  # noqa: T201
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
