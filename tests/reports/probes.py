"""What a child does when it is not asked to render. Imports nothing of the renderers, so that it sees what was warm."""

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any


def look_around(pipe: Any) -> None:
    """Send what a report would find in its process."""
    warm = {"duckdb", "typst", "reportlab", "psycopg", "shared.reports.render"} <= set(sys.modules)
    from shared.reports.process import sandbox

    os.environ["DATABASE_URL"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "secret"
    os.environ["PGSSLROOTCERT"] = "/ca.pem"
    sandbox.enter(pipe, memory_mb=64)
    found: Mapping[str, Any] = {
        "warm": warm,
        "environment": set(os.environ),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "data": resource.getrlimit(resource.RLIMIT_DATA),
        "own_group": os.getpgid(0) == os.getpid(),
    }
    pipe.send(found)


def never_let_go(pipe: Any) -> None:
    """Hold the interpreter lock for longer than any test: one instruction that other threads cannot interrupt."""
    from shared.reports.process import sandbox

    sandbox.enter(pipe, memory_mb=512)
    pipe.send(os.getpid())
    pow(3, 10**9)


def complain(pipe: Any, handover: Any) -> None:
    """Have a library write a line."""
    import logging

    from shared.runtime import logs

    logs.take_over(handover)
    logging.getLogger("psycopg").warning("ignored")
    pipe.send("done")
