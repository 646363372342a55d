"""What to tell of an address that a service cannot listen on."""

import errno
import os
import socket

from shared.errors import TodokeError


class CannotListen(TodokeError):
    """A service cannot listen where its settings say. The message names them."""

    def __init__(self, error: OSError, prefix: str, host: str, port: int) -> None:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
        remedy = (
            f"another process of this machine has it, such as another service: set {prefix}_PORT to another one"
            if error.errno == errno.EADDRINUSE
            else f"set {prefix}_HOST and {prefix}_PORT to what this service may listen on"
        )
        super().__init__(f"{prefix}_PORT={port} at {prefix}_HOST={host} cannot be used ({reason}): {remedy}")


def family_of(host: str) -> socket.AddressFamily:
    """The address family of `host`."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_free(prefix: str, host: str, port: int) -> None:
    """Raise CannotListen if nobody can listen there now. `prefix` begins the names of the two settings."""
    with socket.socket(family_of(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(error, prefix, host, port) from None
